/** The two services there are. A request's text is never made into a command. */
export type Service = 'git-upload-pack' | 'git-receive-pack';

/** What a URL asks for, as gitprotocol-http(5) and git's own `http-backend` tell it: by its end. */
export type Route = {
  /** What stands before the end, decoded, without slashes around it: `team/site.git`. */
  readonly name: string;
} & (
  | { readonly kind: 'advertise'; readonly service: Service }
  | { readonly kind: 'rpc'; readonly service: Service }
  /** A service that does not exist. */
  | { readonly kind: 'unknown-service' }
  /** A file of the dumb protocol, relative to the git directory. */
  | { readonly kind: 'dumb'; readonly file: string }
);

/** What each kind of route can be asked with. */
export const METHODS: Readonly<Record<Route['kind'], readonly string[]>> = {
  advertise: ['GET', 'HEAD'],
  'unknown-service': ['GET', 'HEAD'],
  dumb: ['GET', 'HEAD'],
  rpc: ['POST'],
};

const ENDS =
  /(?:^|\/)(?:(info\/refs)|(git-upload-pack|git-receive-pack)|(HEAD|objects\/(?:info\/(?:packs|http-alternates)|[0-9a-f]{2}\/(?:[0-9a-f]{38}|[0-9a-f]{62})|pack\/pack-(?:[0-9a-f]{40}|[0-9a-f]{64})\.(?:pack|idx))))$/;

/**
 * Reads a request's URL.
 * @param prefix where the handler is mounted, when the server does not take that off: `/git`
 * @returns null when the URL is none of git's, or names what cannot be a repository (`..`, an empty part)
 */
export function parseRoute(url: string, prefix: string): Route | null {
  const query = url.indexOf('?');
  const path = query === -1 ? url : url.slice(0, query);
  if (!path.startsWith(`${prefix}/`)) return null;
  const inside = path.slice(prefix.length + 1);
  const end = ENDS.exec(inside);
  if (end === null) return null;
  // Two slashes have an empty part between them, which is not the root's own repository.
  const isEmptyPart = end.index === 0 && end[0].startsWith('/');
  const name = isEmptyPart ? null : decodeName(inside.slice(0, end.index));
  if (name === null) return null;
  const [, refs, service, file] = end;
  if (service !== undefined) return { name, kind: 'rpc', service: service as Service };
  if (file !== undefined) return { name, kind: 'dumb', file };
  // Of several `service` parameters git's http-backend takes the last.
  const wanted =
    query === -1 ? undefined : new URLSearchParams(url.slice(query)).getAll('service').at(-1);
  if (wanted === undefined) return { name, kind: 'dumb', file: refs ?? '' };
  if (wanted === 'git-upload-pack' || wanted === 'git-receive-pack') {
    return { name, kind: 'advertise', service: wanted };
  }
  return { name, kind: 'unknown-service' };
}

/** Decodes each part once. A part that could mean another folder, on any system, is refused. */
function decodeName(encoded: string): string | null {
  if (encoded === '') return '';
  const parts: string[] = [];
  for (const part of encoded.split('/')) {
    const decoded = decodePart(part);
    // oxlint-disable-next-line no-control-regex -- those are what must not be in a name
    if (decoded === null || /^\.{0,2}$|[/\\\u0000-\u001f\u007f]/.test(decoded)) return null;
    parts.push(decoded);
  }
  return parts.join('/');
}

function decodePart(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}
