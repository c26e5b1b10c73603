// When the page opens a step by itself, or the button that was pressed went away with the step before, the keys
// and the screen reader go on at the beginning of the new one. (Its headline may be drawn anew; the panel stays.)
const onward = () => requestAnimationFrame(() => requestAnimationFrame(() => {
  const here = document.activeElement;
  if (here && here !== document.body && here.offsetParent !== null) return;
  const panel = [...document.querySelectorAll('#hs-steps > [role=tabpanel]')].find((one) => one.offsetParent !== null);
  if (!panel) return;
  panel.tabIndex = -1;
  panel.setAttribute('aria-labelledby', `${panel.id}-button`);
  panel.focus({ preventScroll: true });
}));
new MutationObserver(onward).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['aria-selected'] });
