// @ts-check
// Has the front end connect again soon after the network is back: left alone it waits longer after each attempt, up to a
// minute, and then gives up.

/**
 * What JupyterLab and Notebook 7 have of it.
 * @typedef {{connectionStatus?: string, isDisposed?: boolean, reconnect?: () => Promise<void>,
 *   serverSettings?: {baseUrl: string}}} KernelLine
 */

const LINE_MS = 2_000; // between two looks
const CONNECT_MS = 5_000; // that a connection gets to come about before it is tried anew; twice as long each further time

/**
 * Watch the line to a kernel, where the front end tells of it.
 * @param {KernelLine | undefined} kernel
 * @returns {() => void} ends it
 */
export function keepLine(kernel) {
  if (!kernel?.reconnect || !kernel.serverSettings) return () => {};
  let [lost, next, patience] = [false, 0, CONNECT_MS];
  const look = async () => {
    if (kernel.connectionStatus === "connected" || kernel.isDisposed) {
      [lost, next, patience] = [false, 0, CONNECT_MS];
      return;
    }
    const known = lost;
    lost = true; // a page that was just opened connects by itself
    if (!known || performance.now() < next || !(await serverAnswers(kernel)) || kernel.connectionStatus === "connected") return;
    next = performance.now() + patience;
    patience *= 2;
    kernel.reconnect?.().catch(() => {});
  };
  const timer = window.setInterval(look, LINE_MS);
  const online = () => {
    lost = true;
    look();
  };
  window.addEventListener("online", online);
  return () => {
    clearInterval(timer);
    window.removeEventListener("online", online);
  };
}

/** Whether the server is there. @param {KernelLine} kernel */
async function serverAnswers({ serverSettings }) {
  try {
    return (await fetch(new URL("api", serverSettings?.baseUrl), { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}
