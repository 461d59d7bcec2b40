// The certified `oidc-provider` on loopback, with its development pages. The first argument is a JSON text:
// { port, keys: [private JWK], clients: [{ id, secret, redirects }], email_verified }.

import { createRequire } from 'node:module';

const { port, keys, clients } = JSON.parse(process.argv[2]);
const require = createRequire(`${process.cwd()}/`);
const { default: Provider } = await import(require.resolve('oidc-provider'));

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys },
  clients: clients.map(({ id, secret, redirects }) => ({
    client_id: id,
    client_secret: secret,
    redirect_uris: redirects,
    id_token_signed_response_alg: 'ES256',
  })),
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  // The address stands in the ID token itself, as Google, Keycloak and others have it.
  conformIdTokenClaims: false,
  cookies: { keys: ['a key of the visit'] },
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true } },
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({ sub, email: `${sub}@example.org`, email_verified: true, name: sub }),
  }),
});

const server = provider.listen(port, '127.0.0.1');
process.on('SIGTERM', () => {
  server.closeAllConnections();
  server.close(() => process.exit(0));
});
