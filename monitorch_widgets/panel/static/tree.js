// @ts-check
// The model's own tree, made from dotted names; searching it; and which modules are shown at first.

/** @typedef {import('./types.js').ModuleInfo} ModuleInfo */

/**
 * A group ('features') or a module ('features.conv1'). `modules` are all names at and below it, in model order; `further`
 * are its later calls ('features.conv1#2') and further outputs, which are in no `children`.
 * @typedef {{
 *   label: string, path: string, module: ModuleInfo | null, children: Branch[], modules: string[], further: Branch[],
 * }} Branch
 */

/** How many modules are shown until a person chooses. */
export const SHOWN_AT_FIRST = 12;

/** The kinds that filter, with the words on their chips. @type {[string, string][]} */
export const KINDS = [
  ["linear", "linear"],
  ["conv", "conv"],
  ["norm", "norm"],
  ["activation", "activation"],
  ["other", "other"],
];

/**
 * @param {ModuleInfo[]} modules
 * @param {(name: string) => string} baseOf the module that a later call or a further output belongs to, else the name itself
 * @returns {Branch[]}
 */
export function grow(modules, baseOf) {
  /** @type {Branch} */
  const root = branch("", "", null);
  for (const module of modules) {
    const base = baseOf(module.name);
    const parts = base.split(".").filter(Boolean);
    let at = root;
    parts.forEach((part, i) => {
      const path = parts.slice(0, i + 1).join(".");
      let next = at.children.find((child) => child.path === path);
      if (!next) at.children.push((next = branch(part, path, null)));
      next.modules.push(module.name);
      at = next;
    });
    if (base === module.name) at.module = module;
    else at.further.push({ ...branch(module.name.slice(base.length), module.name, module), modules: [module.name] });
  }
  return root.children.map(shortened);
}

/** @param {string} label @param {string} path @param {ModuleInfo | null} module @returns {Branch} */
function branch(label, path, module) {
  return { label, path, module, children: [], modules: [], further: [] };
}

/**
 * A group with one group in it is one group: 'encoder.layers' rather than two levels.
 * @param {Branch} tree
 * @returns {Branch}
 */
function shortened(tree) {
  tree.children = tree.children.map(shortened);
  const [only] = tree.children;
  if (tree.module || tree.children.length !== 1 || !only.children.length || only.module) return tree;
  return { ...only, label: `${tree.label}.${only.label}` };
}

/**
 * A test for names and types: a part of one, or a pattern with `*` for the whole of one; several are separated by blanks
 * or commas, and any of them will do.
 * @param {string} query
 * @returns {(module: ModuleInfo) => boolean}
 */
export function matcher(query) {
  const tests = query
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .map(oneMatcher);
  if (!tests.length) return () => true;
  return (module) => {
    const [name, type] = [module.name.toLowerCase(), module.type.toLowerCase()];
    const last = name.slice(name.lastIndexOf(".") + 1);
    const names = [name, last, ...[name, last].map((text) => text.replace(/(?<=.)[#[].*$/, ""))]; // of any call and output
    return tests.some((test) => test(type) || names.some(test));
  };
}

/** @param {string} word @returns {(text: string) => boolean} */
function oneMatcher(word) {
  if (!word.includes("*")) return (text) => text.includes(word);
  const parts = word.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  const pattern = new RegExp(`^${parts.join(".*")}$`);
  return (text) => pattern.test(text);
}

/**
 * Names spread evenly over the depth, the first and the last among them.
 * @param {string[]} names
 * @param {number} [most]
 */
export function spread(names, most = SHOWN_AT_FIRST) {
  if (names.length <= most) return [...names];
  return Array.from({ length: most }, (_, i) => names[Math.round((i * (names.length - 1)) / (most - 1))]);
}

/**
 * Whether all, some or none of the names are in a set.
 * @param {string[]} names
 * @param {Set<string>} chosen
 * @returns {boolean | 'mixed'}
 */
export function allOrSome(names, chosen) {
  const some = names.filter((name) => chosen.has(name)).length;
  return some === 0 ? false : some === names.length ? true : "mixed";
}
