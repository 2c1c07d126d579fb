/** The two sides of the comparison, each in processes of its own, and what they cost. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createCpuGroup } from './cpu-group.ts';

export interface BenchServer {
  readonly name: string;
  readonly url: string;
  /** Seconds of CPU so far, of the server and of all its children that have ended. */
  cpu(): number;
  /** Resident memory now, in bytes: of the server alone, without git. */
  rss(): number;
  close(): Promise<void>;
}

function rssOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1')
      .split(' ')
      .filter(Boolean)
      .map(Number),
  );
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

export async function startOurs(folder: string, script = 'serve.ts'): Promise<BenchServer> {
  const program = join(import.meta.dirname, script);
  const child = spawn(
    process.execPath,
    ['--max-semi-space-size=4', '--heap-growing-percent=100', program, folder],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const pid = child.pid ?? 0;
  const group = createCpuGroup();
  group.add(pid);
  return {
    name: 'ours',
    url: `http://127.0.0.1:${Number(line.toString())}`,
    cpu: () => group.seconds(),
    rss: () => rssOf(pid),
    close: async () => {
      await end(child);
      group.remove();
    },
  };
}

/** nginx, fcgiwrap and `git http-backend`, as their manuals have it; nothing is logged or spooled to disk. */
export async function startBackend(folder: string): Promise<BenchServer> {
  const dir = mkdtempSync(join(tmpdir(), 'gitagent-bench-'));
  const port = await freePort();
  const socket = join(dir, 'fcgi');
  writeFileSync(join(dir, 'nginx.conf'), nginxConfig(dir, port, socket, folder));
  const fcgiwrap = spawn('fcgiwrap', ['-c', '64', '-s', `unix:${socket}`], {
    stdio: ['ignore', 'ignore', 'ignore'],
    env: { PATH: process.env['PATH'], GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' },
  });
  const nginx = spawn('nginx', ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const url = `http://127.0.0.1:${port}`;
  while ((await fetch(url).catch(() => null)) === null) await delay(20);
  const group = createCpuGroup();
  const pids = (): number[] =>
    [nginx.pid ?? 0, fcgiwrap.pid ?? 0].flatMap((pid) => [pid, ...childrenOf(pid)]);
  for (const pid of pids()) group.add(pid);
  return {
    name: 'http-backend',
    url,
    cpu: () => group.seconds(),
    rss: () => pids().reduce((sum, pid) => sum + rssOf(pid), 0),
    close: async () => {
      await end(nginx);
      const children = childrenOf(fcgiwrap.pid ?? 0);
      await end(fcgiwrap);
      for (const pid of children) {
        try {
          process.kill(pid);
        } catch {
          // It ended with its parent.
        }
      }
      await delay(100);
      group.remove();
      rmSync(dir, { recursive: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function nginxConfig(dir: string, port: number, socket: string, folder: string): string {
  return `
daemon off; worker_processes 1; pid ${dir}/pid; user root;
events { worker_connections 1024; }
http {
  access_log off; client_max_body_size 0; client_body_temp_path ${dir}/body;
  fastcgi_temp_path ${dir}/fcgi-temp; proxy_temp_path ${dir}/proxy; uwsgi_temp_path ${dir}/uwsgi; scgi_temp_path ${dir}/scgi;
  server {
    listen 127.0.0.1:${port};
    location / {
      fastcgi_pass unix:${socket};
      fastcgi_max_temp_file_size 0; fastcgi_request_buffering off; fastcgi_read_timeout 600;
      fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
      fastcgi_param GIT_HTTP_EXPORT_ALL ""; fastcgi_param GIT_PROJECT_ROOT ${folder};
      fastcgi_param PATH_INFO $uri; fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method; fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length; fastcgi_param SERVER_PROTOCOL $server_protocol;
      fastcgi_param REMOTE_USER bench; fastcgi_param REMOTE_ADDR $remote_addr;
      fastcgi_param GIT_PROTOCOL $http_git_protocol;
    }
  }
}
`;
}
