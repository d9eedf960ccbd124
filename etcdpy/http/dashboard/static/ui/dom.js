// Elements, made of code alone. There is no way from text to markup here: children that are
// strings become text nodes, whatever they hold.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element.
 *
 * @param {string} tag Such as "button".
 * @param {object} props Attributes; `on…` are listeners, `class` may be a list with gaps, true is
 *   an attribute without a value, and null or false leaves one out.
 * @param {...(Node|string|null)} children
 */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** Makes an element of SVG. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) setProp(element, name, value);
  element.append(
    ...children
      .flat(Infinity)
      .filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

function setProp(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "class")
    element.setAttribute("class", [value].flat().filter(Boolean).join(" "));
  else if (name === "value") element.value = value;
  else element.setAttribute(name, value === true ? "" : value);
}

/** Sets an attribute, or takes it away; only if it changes, as each write costs the browser. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, value);
  }
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Calls a function at most once a frame, however often it is asked for. */
export function oncePerFrame(callback) {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      callback();
    });
  };
}

/** Calls a function when it has not been asked for a while. */
export function whenQuiet(callback, milliseconds = 150) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(callback, milliseconds, ...args);
  };
}

let lastId = 0;

/** Returns an ID that no other element has. */
export function freshId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}
