// When the page opens a step by itself, or the button that was pressed went away with the step before, the keys
// and the screen reader go on at the headline of the new one.
const onward = () => requestAnimationFrame(() => requestAnimationFrame(() => {
  const here = document.activeElement;
  if (here && here !== document.body && here.offsetParent !== null) return;
  const title = [...document.querySelectorAll('#hs-steps [role=tabpanel] h1')].find((one) => one.offsetParent !== null);
  if (!title) return;
  title.tabIndex = -1;
  title.focus({ preventScroll: true });
}));
new MutationObserver(onward).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['aria-selected'] });
