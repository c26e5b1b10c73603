// Try many: a folder, a zip or loose pictures become one zip in the browser (pack.js stands before this text) and
// go to the hidden upload. They may be dropped here, too.
const says = element.querySelector('[role=status]');
const zone = element.closest('.hs-panel') || element;
async function give(found) {
  const files = visible(found);
  if (!files.length) return;
  const isZip = files.length === 1 && /\.zip$/i.test(files[0][0]);
  const zip = isZip ? files[0][1] : await pack(files, says);
  if (zip) carry(zip, zone.querySelector('input[type=file][data-testid$="upload-button"]'));
}

for (const button of element.querySelectorAll('[data-choose]')) {
  const input = button.nextElementSibling;
  button.addEventListener('click', () => {
    if (!input.webkitdirectory) input.accept = `${accept},.zip`;
    input.click();
  });
  input.addEventListener('change', async () => {
    await give([...input.files].map((file) => [file.webkitRelativePath || file.name, file]));
    input.value = '';
  });
}
zone.addEventListener('dragover', (dragged) => { dragged.preventDefault(); zone.classList.add('over'); });
zone.addEventListener('dragleave', () => zone.classList.remove('over'));
zone.addEventListener('drop', async (dropped) => {
  dropped.preventDefault();
  dropped.stopPropagation();
  zone.classList.remove('over');
  const entries = [...dropped.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  await give(await entriesOf(entries));
});
