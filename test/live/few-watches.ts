/**
 * A program for exhausted-watches.test.ts, which starts it where the system allows few watches: follows
 * the repository `argv[3]`, changes it, and prints what it saw. `argv[2]` is a folder for it.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { within } from '../support/deadline.ts';
import { countWatches, createWatchScene } from './scene.ts';

const [, , dir = '', copy = ''] = process.argv;
const fixture = {
  dir,
  path: (...names: string[]) => join(dir, ...names),
  [Symbol.asyncDispose]: async () => await Promise.resolve(),
};
await using scene = await createWatchScene(fixture, copy, { pollSeconds: 0.1 });
await scene.watch.read();
scene.watch.setFollowed(true);
const news = scene.news();
await writeFile(join(copy, 'new'), '');
await within(news, 'a poll finds it');
const { latest, obstacle } = scene.watch;
const untracked = latest instanceof Error ? null : latest?.status?.untracked;
console.log(JSON.stringify({ obstacle, untracked, watches: countWatches() }));
