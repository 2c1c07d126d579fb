import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Browser, chromium } from 'playwright-core';

const modules = join(import.meta.dirname, '../../node_modules');

/** The machine's fonts, and the ones that come with the binary for machines that have none. */
const fonts = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir prefix="relative">fonts</dir>
</fontconfig>
`;

/**
 * Starts a headless Chromium of its own; `await using` closes it. Takes 0.3 s, and 2 s more the
 * first time, when the binary is unpacked.
 */
export async function openBrowser(): Promise<AsyncDisposable & { readonly browser: Browser }> {
  const folder = await unpackChromium();
  const browser = await chromium.launch({
    executablePath: join(folder, 'chromium'),
    headless: true,
    // Not the package's own arguments: among them are --single-process, with which a crashed page
    // takes the browser along, and --disable-web-security, which would hide our CORS mistakes.
    args: [
      '--no-sandbox', // the tests may run as root
      '--headless=shell',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-zygote',
    ],
    env: { ...process.env, FONTCONFIG_FILE: join(folder, 'fonts.conf') },
  });
  return { browser, [Symbol.asyncDispose]: () => browser.close() };
}

/**
 * The folder that holds the unpacked binary. Test files run at the same time, each in a process:
 * every one that finds no folder unpacks into a private one, the first to finish renames it into
 * place, and the others throw theirs away. So nobody starts a half-written binary.
 */
async function unpackChromium(): Promise<string> {
  const manifest = await readFile(join(modules, '@sparticuz/chromium/package.json'), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  const folder = join(modules, '.cache', `chromium-${version}`);
  if (existsSync(folder)) return folder;
  await mkdir(join(modules, '.cache'), { recursive: true });
  const mine = await mkdtemp(`${folder}.`);
  try {
    // The package unpacks into the temporary folder, whatever that is: hence a process with its own.
    const unpack = `await (await import('@sparticuz/chromium')).default.executablePath()`;
    await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', unpack], {
      cwd: import.meta.dirname,
      env: { ...process.env, TMPDIR: mine },
    });
    await writeFile(join(mine, 'fonts.conf'), fonts);
    await rename(mine, folder);
  } catch (error) {
    await rm(mine, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}
