/** Waits for a file, then prints so many lines a second for so many seconds, each with its number and the time. */
import { existsSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const [, , gate = '', perSecond = '', seconds = ''] = process.argv;
while (!existsSync(gate)) await delay(20);
const count = Number(perSecond) * Number(seconds);
const start = performance.now();
for (let line = 0; line < count; line++) {
  const due = start + (line * 1000) / Number(perSecond);
  const early = due - performance.now();
  if (early > 0) await delay(early);
  // As long as lines of build tools are.
  const time = (performance.timeOrigin + performance.now()).toFixed(2);
  writeSync(1, `${line} ${time} `.padEnd(79, '.') + '\n');
}
