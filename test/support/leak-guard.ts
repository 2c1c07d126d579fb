/**
 * Loaded into every test file by `npm test`: a file whose process still lives ten seconds after
 * its last test left a child, a socket or a timer behind. `node --test` would wait for it for
 * ever (--test-timeout is for single tests), so we say what is open and fail the file.
 */
import { after } from 'node:test';

// The runner's own process loads this too; only its children run tests.
if (process.env['NODE_TEST_CONTEXT']) {
  after(() => {
    const giveUp = setTimeout(() => {
      // The pipes to the runner and this timer are always among them.
      console.error('left open after the last test:', process.getActiveResourcesInfo());
      process.exit(1);
    }, 10_000);
    giveUp.unref();
  });
}
