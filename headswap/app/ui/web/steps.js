// When the page opens a step by itself, or the button that was pressed went away with the step before, the keys
// and the screen reader go on at the beginning of the new one. (Its headline may be drawn again; the panel stays.)
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

// The open step stands in the address: a reload, a bookmark or a link comes back to it.
const NAMES = {'hs-model': 'model', 'hs-pictures': 'pictures', 'hs-teaching': 'teach', 'hs-test': 'test', 'hs-home': 'home'};
function tellAddress() {
  const open = document.querySelector('#hs-steps [role=tab][aria-selected=true]');
  const step = open && NAMES[open.id.replace(/-button$/, '')], here = new URL(location.href);
  if (!step || here.searchParams.get('step') === step) return;
  here.searchParams.set('step', step);
  history.replaceState(history.state, '', here);
}
new MutationObserver(tellAddress).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['aria-selected'] });
