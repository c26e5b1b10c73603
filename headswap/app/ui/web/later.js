// Another class for a network whose pictures are gone: what is chosen goes, in a folder of the class's name, to the
// hidden upload. pack.js stands before this text.
const form = element.querySelector('form'), name = form.querySelector('input[type=text]'), files = form.querySelector('input[type=file]');
const says = element.querySelector('[role=status]');
form.addEventListener('submit', (sent) => {
  sent.preventDefault();
  says.textContent = globalThis.headswap.folderOf(name.value) ? '' : 'Type its name first.';
  if (says.textContent) return void name.focus();
  files.accept = accept;
  files.click();
});
files.addEventListener('change', async () => {
  const folder = globalThis.headswap.folderOf(name.value);
  const zip = await pack(visible([...files.files].map((file) => [`${folder}/${file.name}`, file])), says);
  files.value = '';
  if (zip) carry(zip, document.querySelector('#hs-later-zip input[type=file], input#hs-later-zip, #hs-later-panel input[type=file][data-testid$="upload-button"]'));
});
