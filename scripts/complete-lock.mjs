/**
 * Completes package-lock.json after `npm install`: run `node scripts/complete-lock.mjs` then.
 *
 * oxlint, oxfmt and others ship a binary for each platform as optional dependencies. A registry that
 * lacks some of them makes npm leave those out of the lock file, and then `npm ci` refuses that file.
 * This adds the missing entries, without integrity; npm skips them, as their os and cpu say.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const PLATFORM =
  /(android|darwin|freebsd|linux|openharmony|win32)-(arm64|arm|x64|ia32|ppc64|riscv64|s390x)(?:-(gnu|musl))?/;

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
for (const [path, entry] of Object.entries(lock.packages)) {
  // The root's own are real dependencies of ours: npm says so itself when one is missing.
  if (path === '') continue;
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const at = `node_modules/${name}`;
    if (lock.packages[at] !== undefined || lock.packages[`${path}/${at}`] !== undefined) continue;
    const [, os, cpu, libc] = PLATFORM.exec(name) ?? [];
    if (os === undefined || !/^\d/.test(version))
      throw new Error(`${name}: no platform or version`);
    lock.packages[at] = {
      version,
      cpu: [cpu],
      ...(entry.dev && { dev: true }),
      ...(libc && { libc: [libc === 'gnu' ? 'glibc' : 'musl'] }),
      optional: true,
      os: [os],
    };
    console.log(`added ${at}`);
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).toSorted(([a], [b]) => a.localeCompare(b, 'en')),
);
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
