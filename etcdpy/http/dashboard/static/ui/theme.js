// Dark or light: as the system has it, unless one is chosen. This is no module, so that it runs
// before the first paint: nothing flashes.

(() => {
  const root = document.documentElement;
  const NAME = "etcdpy.theme";
  const known = ["auto", "light", "dark"];

  const read = () => {
    try {
      const stored = localStorage.getItem(NAME);
      return known.includes(stored) ? stored : "auto";
    } catch {
      return "auto"; // storage is forbidden: the choice lasts as long as the page
    }
  };

  root.dataset.theme = read();

  /** Chooses, and remembers it. */
  globalThis.chooseTheme = (theme) => {
    root.dataset.theme = theme;
    try {
      localStorage.setItem(NAME, theme);
    } catch {
      // As above.
    }
  };
})();
