// @ts-check
// The page of one dashboard: an anywidget module. Python sends numbers (traits `spec`, `models`, `status`, `snapshot`,
// `view`, and 'delta' messages); what is drawn is decided here, so every control works with a busy kernel and without one.
//
// Where to get hold of things (data-testid, plus what else tells them apart):
//   mw-root [data-drawn: drawings so far]      mw-strip, mw-state [data-state], mw-epoch, mw-step, mw-phase, mw-rate,
//   mw-elapsed, mw-costs (opens mw-costs-box, with mw-cost-words and mw-costs-more), mw-headline
//   mw-reach [data-reach], mw-pause (resumes too), mw-step-once, mw-further-steps (opens mw-step-item), mw-stop, mw-keys; each of
//     these buttons says with aria-disabled whether it means something; mw-said [data-kind, data-faded]: what came of it
//   mw-instrument (opens mw-drawer, mw-drawer-close), in it: mw-lens [data-name] with mw-lens-head, mw-lens-remove and
//     mw-field [data-name]; mw-lens-offered, mw-lens-add; mw-watch-name, mw-watch, mw-watch-text, mw-watch-typed;
//     mw-collected, mw-collect-shown, mw-collect-all, mw-collect-patterns; mw-rate with mw-rate-value and
//     mw-rate-factor [data-factor], mw-rates-note
//   mw-search (lights matches; Enter shows only them), mw-tree, mw-count
//   mw-module [data-name], in it mw-check (shown or not) and mw-name (click: alone, again: back); mw-group [data-path]
//   mw-further (at the end of a row: its later calls and further outputs)
//   mw-unwatched, mw-unwatched-head (opens it), mw-unwatched-list, mw-unwatched-item [data-name]
//   mw-kind-linear|conv|norm|activation|other, mw-all, mw-none, mw-invert, mw-fold-picker (under 700 px)
//   mw-x, mw-window, mw-window-now, mw-smooth, mw-mode-lines, mw-mode-map, mw-map-all, mw-solo-off
//   mw-panels, mw-panels-box, mw-panel-shown [data-tag]
//   mw-panel [data-tag, data-drawn: drawings of its chart], in it: mw-line-mean|median|min|max,
//     mw-band-std|Q1-Q3|min-max, mw-scale-lin|log, mw-fold-panel, mw-large, mw-menu, mw-menu-box, mw-copy, mw-save-csv|svg|png, mw-tooltip, mw-legend-name [data-name], mw-fault,
//     mw-stage (where in the step the numbers are taken), mw-plot-note (what the axis has no place for), mw-event-mark
//   mw-tabs, mw-tab [data-tab, aria-selected], mw-pane [data-tab], mw-card [data-key] with mw-card-state [data-state], mw-card-words,
//     mw-card-act [data-action, data-awaited], mw-card-curve, mw-card-table, mw-bar-rows, mw-bar-columns
//   Data: mw-tensors, mw-tensor-group, mw-tensor [data-key, aria-pressed], mw-tensor-search, mw-histogram-every (a field),
//     mw-tensor-title, mw-tensor-facts, mw-histogram, mw-histogram-map
//   Gallery: mw-picture, mw-picture-older|newer|slider|save, mw-picture-step, mw-picture-caption
//   Performance: mw-perf [data-part=cost|often|page|writers, or the key of a card that is still to come], in them mw-perf-figure,
//     mw-perf-bar [data-over], mw-page-facts, mw-field [data-name], mw-writer [data-name] with mw-writer-waiting
//   LR finder: mw-lr-figure (a slider: arrow keys), mw-lr-value, mw-lr-back; its button is mw-card-act [data-action=apply]
//   mw-eta, mw-strip-item [data-name]: time left, and metrics that stand in the strip
//   in each chart bqplot's `.mw-mark-<mark> .curve[data-name]` with the path `.line` or, for bands, `.area`; marks are
//     mean, median, extremes, raw, band_std, band_q, band_minmax, image; lit lines are `.mw-lit-line[data-name]`
import { Board } from "./board.js";
import { Dash } from "./dash.js";

/** @typedef {import('./types.js').Model} Model */

/** One object a model: anywidget calls this for each. */
export default () => {
  /** @type {Board | null} */
  let board = null;
  return {
    /** Short: messages are held back until it returns. @param {{model: Model}} context */
    initialize({ model }) {
      board = new Board(model);
      return () => board?.close();
    },

    /** @param {{model: Model, el: HTMLElement}} context */
    async render({ el }) {
      const own = board;
      if (!own) return;
      await own.ready;
      const dash = new Dash(own, el);
      return () => {
        own.dashes.delete(dash);
        dash.drawer.close();
        dash.panes.closeAll();
        dash.close();
      };
    },
  };
};
