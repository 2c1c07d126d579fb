import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A control group that counts the CPU of a process and all its descendants, waited for or not (Linux, as root). */
export interface CpuGroup {
  /** Takes a process in, and with it all that it starts from now on. */
  add(pid: number): void;
  /** Seconds so far. */
  seconds(): number;
  /** When all its processes have ended. */
  remove(): void;
}

let made = 0;

export function createCpuGroup(): CpuGroup {
  const isV1 = existsSync('/sys/fs/cgroup/cpuacct');
  const root = isV1 ? '/sys/fs/cgroup/cpuacct' : '/sys/fs/cgroup';
  const dir = join(root, `gitagent-bench-${process.pid}-${made++}`);
  mkdirSync(dir);
  return {
    add: (pid) => {
      writeFileSync(join(dir, 'cgroup.procs'), String(pid));
    },
    seconds: () => {
      if (isV1) return Number(readFileSync(join(dir, 'cpuacct.usage'), 'latin1')) / 1e9;
      const stat = readFileSync(join(dir, 'cpu.stat'), 'latin1');
      return Number(/^usage_usec (\d+)/m.exec(stat)?.[1]) / 1e6;
    },
    remove: () => {
      rmdirSync(dir);
    },
  };
}
