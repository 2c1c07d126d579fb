import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * Finds a program as execvp(3) would, in absolute folders only. Found once, no child has to look again:
 * a PATH of ten folders costs as much as the rest of starting git, and the event loop stands still for it.
 * @returns the name itself when it is nowhere, so that starting it fails with the usual error
 */
export function findProgram(name: string, path: string | undefined): string {
  for (const folder of (path ?? '').split(delimiter)) {
    const file = join(folder, name);
    if (folder.startsWith('/') && isExecutable(file)) return file;
  }
  return name;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
