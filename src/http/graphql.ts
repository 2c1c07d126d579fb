import { useEngine } from '@envelop/core';
import {
  parse,
  validate,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLError,
  type GraphQLSchema,
} from 'graphql';
import { createYoga } from 'graphql-yoga';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Authenticator, Caller } from '../auth/caller.ts';
import { AppError } from '../error.ts';
import { createContext, type Services } from '../schema/context.ts';
import { checkCost } from '../schema/cost.ts';
import { toGraphQLError } from '../schema/error.ts';
import { schema } from '../schema/index.ts';
import { createSubscriber } from '../schema/subscribe.ts';
import { createDocumentCache } from './document-cache.ts';
import { createGraphQLSockets, type GraphQLSockets, type SocketLimits } from './graphql-socket.ts';
import { sendProblem } from './respond.ts';
import { sendShared } from './send-shared.ts';

/** GraphQL on one path: over HTTP (POST and GET), as server-sent events, and over graphql-ws. */
export interface GraphQLHandler extends GraphQLSockets {
  handle(request: IncomingMessage, response: ServerResponse, caller: Caller): Promise<void>;
}

/** Longer documents are refused before they are parsed to the end: validating costs up to the square of it. */
const MAX_TOKENS = 2000;
const MAX_BODY_BYTES = 1024 * 1024;

/** Known before an operation starts, on either transport. */
interface TransportContext {
  readonly caller: Caller;
  /** Where the client reached the agent, such as `http://127.0.0.1:10000`. */
  readonly baseUrl: string;
  /** Only of a socket; over HTTP the request has its own. */
  readonly socketClosed?: AbortSignal;
}

/** What `yoga.getEnveloped` gives, whose own type says `any`. */
interface Engine {
  readonly schema: GraphQLSchema;
  parse(source: string): DocumentNode;
  validate(schema: GraphQLSchema, document: DocumentNode): readonly GraphQLError[];
  contextFactory(): object | Promise<object>;
  execute(args: ExecutionArgs): Promise<ExecutionResult>;
  subscribe(args: ExecutionArgs): Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult>;
}

export function createGraphQLHandler(
  services: Services,
  authenticator: Authenticator,
  limits: SocketLimits & {
    /** How many operations may run on one socket. */
    readonly socketOperations: number;
  },
  heartbeatSeconds: number,
  onBug: (error: unknown) => string,
): GraphQLHandler {
  const mask = (error: unknown): GraphQLError => toGraphQLError(error, onBug);
  const refuseCostly = (options: {
    readonly args: ExecutionArgs;
    setResultAndStopExecution(result: ExecutionResult): void;
  }): void => {
    try {
      checkCost(options.args);
    } catch (error) {
      options.setResultAndStopExecution({ errors: [mask(error)] });
    }
  };
  const subscriber = createSubscriber();
  const yoga = createYoga<TransportContext>({
    schema,
    graphqlEndpoint: '/graphql',
    context: ({ caller, baseUrl, socketClosed, request }) =>
      createContext(services, { caller, baseUrl, signal: socketClosed ?? request.signal }),
    maskedErrors: { maskError: mask },
    maxRequestBodySize: MAX_BODY_BYTES,
    parserAndValidationCache: {
      documentCache: createDocumentCache(),
      errorCache: { get: () => undefined, set: () => undefined },
    },
    plugins: [
      useEngine({
        parse: (source: Parameters<typeof parse>[0], options: Parameters<typeof parse>[1]) =>
          parse(source, { ...options, maxLexicalTokens: MAX_TOKENS }),
        validate: (...[target, document, rules, options]: Parameters<typeof validate>) =>
          validate(target, document, rules, { ...options, maxErrors: 20 }),
        subscribe: subscriber.subscribe,
      }),
      {
        onExecute: refuseCostly,
        onSubscribe: refuseCostly,
      },
    ],
    // Other origins have no business here, and forms are what a foreign page can send.
    cors: false,
    multipart: false,
    // Our own page answers a browser, see graphiql.ts.
    graphiql: false,
    landingPage: false,
    logging: false,
  });

  /** yoga's own execute and subscribe for each operation on a socket: the ones that mask errors. */
  const engines = new WeakMap<object, Engine>();
  const engineOf = (context: unknown): Engine => {
    const engine = typeof context === 'object' && context !== null ? engines.get(context) : null;
    if (engine == null) throw new Error('an operation runs with the context that onSubscribe made');
    return engine;
  };
  const sockets = createGraphQLSockets<{ caller: Caller }>(
    {
      onConnect({ connectionParams, extra }) {
        try {
          const { authorization, password } = connectionParams ?? {};
          extra.caller = authenticator.authenticate({
            authorization:
              typeof authorization === 'string'
                ? authorization
                : extra.request.headers.authorization,
            password: typeof password === 'string' ? password : undefined,
          });
          return true;
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
          extra.close(4401, 'Unauthorized');
          return false;
        }
      },
      async onSubscribe({ extra, subscriptions }, _id, params) {
        const { request, closed, caller } = extra;
        if (caller === undefined) throw new Error('a subscriber has connected before');
        // This one is among them.
        if (Object.keys(subscriptions).length > limits.socketOperations) {
          const message = `${limits.socketOperations} operations run on this socket (limits.socket_operations): end some`;
          return [mask(new AppError('LIMIT_EXCEEDED', message))];
        }
        const engine: Engine = yoga.getEnveloped({
          caller,
          baseUrl: baseUrlOf(request),
          socketClosed: closed,
          req: request,
          params,
        });
        let document: DocumentNode;
        try {
          document = engine.parse(params.query);
        } catch (error) {
          return [mask(error)];
        }
        const errors = engine.validate(engine.schema, document);
        if (errors.length > 0) return errors;
        const contextValue = await engine.contextFactory();
        engines.set(contextValue, engine);
        return {
          schema: engine.schema,
          operationName: params.operationName,
          variableValues: params.variables,
          document,
          contextValue,
        };
      },
      // yoga notes HTTP statuses in its own errors, and takes them out of answers over HTTP only.
      onError: (_context, _id, _params, errors) =>
        errors.map((error) => {
          const { http: _http, ...extensions } = error.extensions;
          const { extensions: _all, ...rest } = error.toJSON();
          return Object.keys(extensions).length === 0 ? rest : { ...rest, extensions };
        }),
      execute: (args) => engineOf(args.contextValue).execute(args),
      subscribe: (args) => engineOf(args.contextValue).subscribe(args),
      onOperation({ extra }, id, _params, { contextValue }) {
        const shared = subscriber.takeShared(contextValue as object);
        return shared && sendShared(shared, id, extra.send, mask);
      },
    },
    MAX_BODY_BYTES,
    limits,
    heartbeatSeconds,
    onBug,
  );

  return {
    ...sockets,
    async handle(request, response, caller) {
      if (request.method === 'POST' && !isJson(request.headers['content-type'])) {
        sendProblem(
          response,
          415,
          'send the operation as JSON: {"query": "..."} with Content-Type: application/json',
        );
        return;
      }
      // Proxies must pass events on as they come.
      response.setHeader('X-Accel-Buffering', 'no');
      await yoga.handle(request, response, { caller, baseUrl: baseUrlOf(request) });
    },
  };
}

function isJson(contentType: string | undefined): boolean {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase();
  return type === 'application/json' || type === 'application/graphql-response+json';
}

/** As the client wrote it in `Host`; a proxy that speaks TLS for us says so. */
function baseUrlOf(request: IncomingMessage): string {
  const scheme = request.headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
  return `${scheme}://${request.headers.host ?? 'localhost'}`;
}
