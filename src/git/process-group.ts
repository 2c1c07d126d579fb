/** Signals a whole process group; a group that is gone already is not an error. */
export function signalGroup(leaderPid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leaderPid, signal);
  } catch (error) {
    if (!isErrno(error, 'ESRCH') && !isErrno(error, 'EPERM')) throw error;
  }
}

/** Whether any process of the group is still there (a zombie counts until its parent has reaped it). */
export function groupIsAlive(leaderPid: number): boolean {
  try {
    process.kill(-leaderPid, 0);
    return true;
  } catch (error) {
    // macOS says EPERM for a group that holds nothing but zombies.
    return !isErrno(error, 'ESRCH') && !isErrno(error, 'EPERM');
  }
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
