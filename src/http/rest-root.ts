import { wantsPage } from './graphiql.ts';
import { send } from './respond.ts';
import type { PublicRoute } from './rest-route.ts';

/** `GET /`: the original's greeting, and to a browser the way to the page it can use. */
export const rootRoute: PublicRoute = {
  method: 'GET',
  path: /^\/$/,
  answerAnybody(request, response) {
    const headers = { 'Cache-Control': 'no-store', Vary: 'Accept' };
    const type = 'text/html; charset=UTF-8';
    if (wantsPage(request)) {
      const page = 'Hello, GitAgent~ <a href="/graphql">GraphiQL</a>';
      send(response, 302, type, page, { Location: '/graphql', ...headers });
    } else {
      send(response, 200, type, 'Hello, GitAgent~', headers);
    }
  },
};
