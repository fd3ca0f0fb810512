// @ts-check
// The shapes that the page shares with Python (panel/dashboard.py) and between its own files. Nothing here runs.

/**
 * One row of the picker.
 * @typedef {{name: string, type: string, kind: string, activation: boolean, note: string}} ModuleInfo
 */

/**
 * What a panel shows first; `series` are the names it has numbers for.
 * @typedef {{
 *   tag: string, title: string, unit: string, kind: string, log: boolean, lines: string[], bands: string[],
 *   stage: string, about: {tells: string, healthy: string, remedy: string}, empty: string, series: string[],
 * }} ChartSpec
 */

/**
 * @typedef {{
 *   schema: number, title: string, capacity: number, max_bins: number, modules: ModuleInfo[], panels: ChartSpec[],
 * }} Spec
 */

/** @typedef {{lens: string, tag: string, module: string, step: number, words: string, traceback: string}} Fault */

/**
 * Something that happened between two readings; `step` and `last_step` count finished steps.
 * @typedef {{kind: string, step: number, last_step: number, count: number, words: string}} TrainingEvent
 */

/** A hairline on the x axis and its tooltip: a sentence, and facts below it. */
/** @typedef {{x: number, kind: 'epoch' | 'event' | 'command', text: string, facts: [string, string][]}} Mark */

/**
 * What one lens costs, or something that all lenses share; what was not measured is null.
 * @typedef {{
 *   name: string, tags: string[], every_steps: number, pairs: boolean, once_s: number | null, fraction: number | null,
 * }} Cost
 */

/**
 * What watching costs; none in notebooks that were saved before it was measured.
 * @typedef {{
 *   fraction: number | null, max_fraction: number | null, every_steps: [number, number], costs: Cost[],
 * }} Overhead
 */

/** One panel's share of a message: first `bins` bins, then `n` rows, of `w` columns. */
/** @typedef {{p: number, w: number, n: number, first: number, bins?: number, series?: string[]}} Part */

/**
 * @typedef {{
 *   state: string, epoch: number, step: number, phase: string, steps_per_s: number, elapsed_s: number,
 *   epoch_marks: [number, number][], faults: Fault[], events: TrainingEvent[], stages: Record<string, string>,
 *   memory_bytes: Record<string, number>, unwatched: ModuleInfo[], overhead: Overhead | null, asked: string,
 *   reach: string, learning_rates: LearningRate[], instrument: Instrument | null, items: [string, string][],
 *   eta_s: number | null, writers: Writer[],
 * }} Status
 */

/** What writes the run down. @typedef {{name: string, waiting: number | null, max_queue: number, flush_secs: number}} Writer */

/** @typedef {{optimizer: number, kind: string, group: number, value: number}} LearningRate */

/**
 * One argument of a lens; without a kind it can be set in Python only.
 * @typedef {{
 *   name: string, kind: 'switch' | 'number' | 'text' | 'types' | '',
 *   value: boolean | number | string | string[] | null,
 * }} Setting
 */

/** A lens in use, or one that can be added. @typedef {{name: string, tags: string[], settings: Setting[]}} LensInfo */

/**
 * What is collected, and how.
 * @typedef {{
 *   lenses: LensInfo[], offered: LensInfo[], expressions: string[], types: string[], collected: string[] | null,
 *   depth: number, every: number | string, max_overhead: number, log_every_n_steps: number, refresh_rate?: number, text: boolean,
 *   nudges: boolean,
 * }} Instrument
 */

/**
 * What came of a command; `number` is what the page that asked knows it by, '' where Python did.
 * @typedef {{number: string, name: string, origin: string, step: number, words: string, refused: boolean}} Answer
 */

/** The words under the strip. @typedef {{kind: 'done' | 'refused' | 'waits', words: string, faded: boolean}} Said */

/** @typedef {{lines: string[], bands: string[], log: boolean}} PanelView */

/**
 * Everything that decides what is drawn. It lives in the page; Python hears of each change.
 * @typedef {{
 *   seq: number, shown: string[], x: 'step' | 'epoch' | 'seconds', window: 'auto' | number, smooth: number,
 *   mode: 'lines' | 'map', solo: string | null, large: string | null, hidden_panels: string[],
 *   panels: Record<string, PanelView>,
 * }} View
 */

/** @typedef {DataView | ArrayBuffer | ArrayBufferView} Bytes */

/**
 * One panel's numbers as Python sends them whole.
 * @typedef {{
 *   series: string[],
 *   bins: {n: number, width?: number, last_step: Bytes, seconds: Bytes, stats: Bytes},
 *   rows: {first: number, n: number, steps: Bytes, seconds: Bytes, values: Bytes},
 * }} PanelSnapshot
 */

/**
 * Statistics of one name over the windows of steps, one entry a window; NaN where there is no reading.
 * @typedef {{
 *   count: Float64Array, mean: Float64Array, std: Float64Array, min: Float64Array, max: Float64Array,
 *   median: Float64Array, q1: Float64Array, q3: Float64Array,
 * }} Stats
 */

/**
 * The windows that a panel is drawn from: first and last step of each, the x position, and one `Stats` a column.
 * @typedef {{n: number, from: Float64Array, to: Float64Array, seconds: Float64Array, stats: Stats[]}} Windows
 */

/** @typedef {{name: string, column: number, colour: string}} Row */

/** @typedef {{[name: string]: any}} WidgetModel A widget model of the front end; its library has no types here. */

/**
 * What anywidget hands to `initialize` and `render`.
 * @typedef {{
 *   get(name: string): any, send(content: object): void,
 *   on(event: string, callback: (...args: any[]) => void): void,
 *   off(event: string, callback: (...args: any[]) => void): void, widget_manager: any,
 * }} Model
 */

/**
 * The bqplot models of one panel.
 * @typedef {Record<
 *   'fig' | 'x' | 'y' | 'axis_x' | 'axis_y' | 'axis_ylog' | 'raw' | 'mean' | 'median' | 'extremes' | 'band_std'
 *   | 'band_q' | 'band_minmax' | 'image', WidgetModel>} PanelModels
 */

export {};
