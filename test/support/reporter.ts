/** node:test's own `spec` report, with the counts once more as the very last line. */
import { Readable } from 'node:stream';
import { spec, type TestEvent } from 'node:test/reporters';

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let last = 'no test ran';
  async function* watch() {
    for await (const event of events) {
      // One summary for each file, then one without a file for the whole run.
      if (event.type === 'test:summary' && event.data.file === undefined) {
        const { tests, passed, skipped, todo } = event.data.counts;
        last = `passed ${passed}, failed ${tests - passed - skipped - todo}, skipped ${skipped + todo}`;
      }
      yield event;
    }
  }
  yield* Readable.from(watch()).pipe(new spec());
  yield `\n${last}\n`;
}
