import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';

/** A process of this machine, as proc(5) tells of it. */
export interface ProcessEntry {
  readonly pid: number;
  /** The program's name, cut to 15 bytes. */
  readonly name: string;
  /** `Z` is dead and waits to be reaped. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  /** Clock ticks between boot and its start: with its pid and the boot it is told from every other. */
  readonly startTime: string;
}

/** All processes; null where there is no /proc to look in. */
export async function listProcesses(): Promise<ProcessEntry[] | null> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  if (pids.length === 0) return null; // Not Linux.
  const entries = await Promise.all(
    pids.map(async (pid) => parse(await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => ''))),
  );
  return entries.filter((entry) => entry !== null);
}

/** When a process started, as `ProcessEntry.startTime`; null when it is gone, or there is no /proc. */
export function readStartTime(pid: number): string | null {
  try {
    return parse(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.startTime ?? null;
  } catch {
    return null;
  }
}

/** Differs after each boot; null where there is no /proc. */
export function readBootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return null;
  }
}

/** What a variable was in a process's environment when its program was started; null also when that may not be read. */
export async function readVariable(pid: number, name: string): Promise<string | null> {
  const variables = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
  const found = variables.split('\0').find((variable) => variable.startsWith(`${name}=`));
  return found?.slice(name.length + 1) ?? null;
}

/** The folder a process works in; null when it is gone, undefined when it may not be known. */
export async function readWorkingFolder(pid: number): Promise<string | null | undefined> {
  return await readlink(`/proc/${pid}/cwd`).catch((error: unknown) =>
    error instanceof Error && 'code' in error && error.code === 'EACCES' ? undefined : null,
  );
}

/** The files that a process has open, as far as they may be known. */
export async function listOpenFiles(pid: number): Promise<string[]> {
  const folder = `/proc/${pid}/fd`;
  const names = await readdir(folder).catch(() => []);
  return await Promise.all(
    names.map(async (name) => await readlink(`${folder}/${name}`).catch(() => '')),
  );
}

/** proc(5): `PID (NAME) STATE PPID PGRP ...`, and a name may have anything in it. */
function parse(stat: string): ProcessEntry | null {
  const open = stat.indexOf('(');
  const close = stat.lastIndexOf(')');
  if (open === -1 || close === -1) return null;
  const fields = stat.slice(close + 2).split(' ');
  const [state = '', parent, group] = fields;
  return {
    pid: Number(stat.slice(0, open)),
    name: stat.slice(open + 1, close),
    state,
    parent: Number(parent),
    group: Number(group),
    startTime: fields[19] ?? '',
  };
}
