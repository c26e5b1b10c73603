// Moments are written in the reader's own time and words, also after the table is drawn again.
const tell = () => element.querySelectorAll('time[datetime]:not([data-told])').forEach((one) => {
  const at = new Date(one.dateTime);
  const form = {day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit'};
  if (at.getFullYear() !== new Date().getFullYear()) form.year = 'numeric';
  one.dataset.told = '';
  one.textContent = at.toLocaleString(undefined, form);
});
const again = (changes) => {
  for (const one of changes) if (one.type === 'attributes') delete one.target.dataset.told;
  tell();
};
new MutationObserver(again).observe(element, {childList: true, subtree: true, attributeFilter: ['datetime']});
tell();
