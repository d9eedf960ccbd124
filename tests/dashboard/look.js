// Looks at the page as it is shown, and returns what is wrong with it, as sentences.
() => {
  const wrong = [];
  const short = (one) => one.outerHTML.slice(0, 120);
  const isSeen = (one) =>
    one.checkVisibility({ visibilityProperty: true }) && one.getClientRects().length > 0;

  // Everything that can be used has a name.
  const textOf = (id) => document.getElementById(id)?.textContent ?? "";
  const nameOf = (one) =>
    one.getAttribute("aria-label") ||
    one.textContent.trim() ||
    one.title ||
    [...(one.labels ?? [])].map((label) => label.textContent).join("") ||
    (one.getAttribute("aria-labelledby") ?? "").split(" ").map(textOf).join("");
  const used = "button, a, input, select, textarea, dialog, progress, [role=tree], [role=region]";
  for (const one of document.querySelectorAll(used)) {
    if (isSeen(one) && !nameOf(one)) wrong.push(`nameless: ${short(one)}`);
  }

  // No two elements are the same one.
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  for (const id of ids.filter((one, at) => ids.indexOf(one) !== at)) wrong.push(`twice: #${id}`);

  // Nothing is out of the window, but in what scrolls by itself.
  const { scrollWidth } = document.documentElement;
  if (scrollWidth > innerWidth) wrong.push(`the page has ${scrollWidth} pixels`);
  for (const one of document.querySelectorAll("button, input, select, textarea, .button")) {
    const box = one.getBoundingClientRect();
    const isOut = box.right > innerWidth + 1 || box.left < -1;
    if (isSeen(one) && isOut && !one.closest(".nav, .virtual"))
      wrong.push(`outside: ${short(one)}`);
  }

  // Every text stands out from its ground: WCAG 2.2, 1.4.3.
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const groundOf = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const ground = rgba(getComputedStyle(at).backgroundColor);
      if (ground[3] === 255) return ground;
    }
    return rgba("Canvas");
  };
  const lightOf = (color) =>
    [0.2126, 0.7152, 0.0722].reduce((sum, weight, at) => {
      const part = color[at] / 255;
      return sum + weight * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    }, 0);
  const contrastOf = (one, style) => {
    const [more, less] = [rgba(style.color), groundOf(one)].map(lightOf).sort((a, b) => b - a);
    return (more + 0.05) / (less + 0.05);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const passedOver = "noscript, .visually-hidden, :disabled, option";
  const seen = new Set();
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const one = text.parentElement;
    if (!text.data.trim() || !isSeen(one) || one.closest(passedOver)) continue;
    const style = getComputedStyle(one);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const contrast = contrastOf(one, style);
    const what = `contrast ${contrast.toFixed(2)} in ${one.className || one.tagName}`;
    if (contrast < (isLarge ? 3 : 4.5) && !seen.has(what))
      wrong.push(`${what}: ${text.data.trim().slice(0, 40)}`);
    seen.add(what);
  }
  return wrong;
};
