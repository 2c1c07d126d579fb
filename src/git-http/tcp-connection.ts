import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';

/** A connection that another process writes to, as the system shows it (Linux, proc(5)). */
export interface TcpConnection {
  /** null when the system does not know it any more, which it may be some time after both sides closed it. */
  read(): Promise<TcpState | null>;
}

export interface TcpState {
  /** false once the other side has closed it, or reset it. */
  readonly isOpen: boolean;
  /** Bytes that the other side has not acknowledged. */
  readonly queued: number;
}

/** What proc(5) calls TCP_ESTABLISHED. */
const ESTABLISHED = '01';

/** `sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid timeout inode` */
const FIELD = { local: 1, remote: 2, state: 3, queues: 4, inode: 9 } as const;

/**
 * Finds a socket's connection in the system's table. null where there is no such table, and in the rare
 * case that two clients of different addresses use the same port.
 */
export async function findTcpConnection(socket: Socket): Promise<TcpConnection | null> {
  const { localPort = 0, remotePort = 0 } = socket;
  const found = (await readTable()).filter(
    (fields) =>
      portOf(fields[FIELD.local]) === localPort && portOf(fields[FIELD.remote]) === remotePort,
  );
  const inode = found[0]?.[FIELD.inode];
  // A connection that nobody has accepted or that is closed has the inode 0.
  if (found.length !== 1 || inode === undefined || inode === '0') return null;
  return {
    async read() {
      const fields = (await readTable()).find((each) => each[FIELD.inode] === inode);
      if (fields === undefined) return null;
      return {
        isOpen: fields[FIELD.state] === ESTABLISHED,
        queued: Number.parseInt(fields[FIELD.queues]?.split(':')[0] ?? '', 16),
      };
    },
  };
}

async function readTable(): Promise<string[][]> {
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map(
    async (path) => await readFile(path, 'latin1').catch(() => ''),
  );
  const lines = (await Promise.all(tables)).join('').split('\n');
  return lines.map((line) => line.trim().split(/ +/, FIELD.inode + 1));
}

function portOf(address = ''): number {
  return Number.parseInt(address.split(':')[1] ?? '', 16);
}

/** Bytes that a process has written so far, wherever to; null when it has ended. */
export async function readWritten(pid: number): Promise<number | null> {
  const io = await readFile(`/proc/${pid}/io`, 'latin1').catch(() => '');
  const written = /^wchar: (\d+)/m.exec(io)?.[1];
  return written === undefined ? null : Number(written);
}
