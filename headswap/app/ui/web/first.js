// The first screen's way to pictures of one's own: a folder by the button, or anything dropped anywhere on the
// page. Pictures opens, and its picker takes it from there; on Test a dropped picture is tried instead.
const soon = async (selector) => {
  for (let tries = 0; tries < 200 && !document.querySelector(selector); tries++) await new Promise(requestAnimationFrame);
  return document.querySelector(selector);
};
const openDataset = () => document.querySelector('#hs-pictures-button').click();

element.addEventListener('click', async (pressed) => {
  if (!pressed.target.closest('#hs-folder-first')) return;
  openDataset();
  (await soon('#hs-picker input[webkitdirectory]'))?.click();
});

const carriesFiles = (dragged) => [...(dragged.dataTransfer?.types ?? [])].includes('Files');
document.addEventListener('dragover', (dragged) => { if (carriesFiles(dragged)) dragged.preventDefault(); });
document.addEventListener('drop', async (dropped) => {
  if (dropped.defaultPrevented || !carriesFiles(dropped)) return;
  dropped.preventDefault();
  const onTest = document.querySelector('#hs-try')?.offsetParent, image = [...dropped.dataTransfer.files].find((one) => one.type.startsWith('image/'));
  if (onTest && image) return globalThis.headswap.tryFile(image);
  const entries = [...dropped.dataTransfer.items].map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean);
  openDataset();
  await soon('#hs-picker input[webkitdirectory]');
  await globalThis.headswap.takeEntries(entries);
});

// gradio's search box has no hint of its own, and what is typed into it would be added to the name that is there. It
// takes what is typed as chosen when it is left, too: Enter or a press on the list chooses, else it is as before.
soon('#hs-search input').then((box) => {
  if (!box) return;
  const search = box.closest('#hs-search');
  let before = '';
  box.placeholder = 'resnet, vit, mobile …';
  box.addEventListener('focus', () => {
    before = box.value;
    requestAnimationFrame(() => { box.select(); box.scrollIntoView({ block: 'nearest' }); });
  });
  search.addEventListener('keydown', (pressed) => { if (pressed.key === 'Enter') search.dataset.chosen = 'yes'; }, true);
  search.addEventListener('mousedown', (pressed) => { if (pressed.target.dataset.index) search.dataset.chosen = 'yes'; }, true);
  search.addEventListener('blur', () => {
    if (search.dataset.chosen) return;
    box.value = before;
    box.dispatchEvent(new Event('input'));
  }, true);
});
