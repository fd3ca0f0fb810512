// @ts-check
// What can be asked of the training loop, and why it can't be where it means nothing.

/** @typedef {import('./board.js').Board} Board */

/** @typedef {'pause' | 'step' | 'epoch' | 'stop'} Act */

/** What each act is called, and the key that stands for it. @type {Record<Act, {words: string, key: string}>} */
export const ACTS = {
  pause: { words: "Pause or resume", key: "P" },
  step: { words: "Make one step, then pause", key: "S" },
  epoch: { words: "Go on to the epoch's end, then pause", key: "E" },
  stop: { words: "Stop: end the loop before its next step", key: "Shift+S" },
};

const TRAINS = ["live", "paused", "fault"];

/** Whether the loop is held, or will be, so that the toggle lets it go on. @param {Board} board */
export function isHeld({ status, commands }) {
  return status.state === "paused" || commands.asked === "pause";
}

/** Why nothing at all can be asked for; '' where it can. @param {Board} board */
export function whyDeaf({ kernelGone, status }) {
  if (kernelGone) return "The kernel is not there any more";
  return status.state === "detached" ? "The inspector has left the model" : "";
}

/** Why an act means nothing now; '' where it does. @param {Board} board @param {Act} act */
export function whyNot(board, act) {
  const deaf = whyDeaf(board);
  if (deaf) return deaf;
  if (board.commands.asked === "stop") return "The run is being stopped";
  const { state } = board.status;
  if (act === "pause" && (state === "waiting" || isHeld(board))) return ""; // before the first step, too
  if (state === "waiting") return "Nothing was trained yet";
  return TRAINS.includes(state) ? "" : "No training is under way";
}

/** Do it, or say why not. @param {Board} board @param {Act} act @param {number} [steps] */
export function ask(board, act, steps = 1) {
  const why = whyNot(board, act);
  if (why) return board.commands.say("refused", `${why}.`);
  if (act === "pause") board.commands.send(isHeld(board) ? "resume" : "pause");
  else if (act === "step") board.commands.send("step", { steps });
  else board.commands.send(act === "epoch" ? "step_epoch" : "stop");
}
