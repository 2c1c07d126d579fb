import { readFile } from 'node:fs/promises';

/**
 * File systems whose files others can change behind the kernel's back: on another machine, or in the
 * program that serves them.
 */
const REMOTE =
  /^(?:nfs4?|cifs|smb3?|smbfs|9p|fuse|fuse\..*|fuseblk|fakeowner|virtiofs|ceph|afs|coda|lustre|gpfs|beegfs|orangefs|vboxsf|prl_fs|vmhgfs|gfs2?|ocfs2)$/;

/**
 * Why the kernel does not tell of every change at or below these paths; null when it does. What is
 * mounted there later is not found. Starts no child.
 */
export async function findObstacle(paths: readonly string[]): Promise<string | null> {
  if (process.platform !== 'linux') return 'changes can be watched on Linux only';
  const table = await readFile('/proc/self/mountinfo', 'latin1').catch(() => null);
  if (table === null) return 'the list of file systems (/proc/self/mountinfo) cannot be read';
  const mounts = parseMounts(table);
  for (const path of paths) {
    const bytes = Buffer.from(path).toString('latin1');
    let around = { point: '', type: '' };
    for (const mount of mounts) {
      if (isWithin(bytes, mount.point) && mount.point.length >= around.point.length) around = mount;
    }
    const below = mounts.filter(({ point }) => point !== bytes && isWithin(point, bytes));
    const found = [around, ...below].find(({ type }) => REMOTE.test(type));
    if (found !== undefined) {
      const point = Buffer.from(found.point, 'latin1').toString();
      return `${point} is on ${found.type}, where changes made elsewhere are not told`;
    }
  }
  return null;
}

/** proc_pid_mountinfo(5): of two mounts at one point the later one is seen. */
function parseMounts(table: string): { point: string; type: string }[] {
  const mounts = new Map<string, { point: string; type: string }>();
  for (const line of table.split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const escaped = left.split(' ')[4];
    if (escaped === undefined) continue;
    const point = escaped.replace(/\\([0-7]{3})/g, (_all, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 8)),
    );
    mounts.set(point, { point, type: right.split(' ')[0] ?? '' });
  }
  return [...mounts.values()];
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}
