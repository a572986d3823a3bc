// A real Better Auth on loopback, in memory: its own endpoints under /api/auth, the same users
// under /by-secret with cookies that the secret signs, and under /tests what a test must ask of it.
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { toNodeHandler } from "better-auth/node";
import { jwt } from "better-auth/plugins";
import { SignJWT } from "jose";

const secret = process.env.BETTER_AUTH_SECRET;
const store = { user: [], session: [], account: [], verification: [], jwks: [] };
let verification;

function start(baseURL) {
  const options = {
    baseURL,
    secret,
    emailAndPassword: { enabled: true },
    emailVerification: {
      sendVerificationEmail: async ({ token }) => {
        verification = token;
      },
    },
    session: { cookieCache: { enabled: true, strategy: "jwt" } },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
  };
  const byKey = betterAuth({
    ...options,
    database: memoryAdapter(store),
    plugins: [
      jwt({
        sessionCookieCache: true,
        jwks: { keyPairConfig: { alg: process.env.ALGORITHM }, rotationInterval: 24 * 3600 },
      }),
    ],
  });
  const bySecret = betterAuth({ ...options, database: memoryAdapter(store), basePath: "/by-secret" });
  const doors = {
    "/api/auth/": toNodeHandler(byKey),
    "/by-secret/": toNodeHandler(bySecret),
    "/tests/": help,
  };
  const find = (path) => Object.keys(doors).find((prefix) => path.startsWith(prefix));
  return (request, response) => (doors[find(request.url)] ?? notFound)(request, response);
}

function notFound(_, response) {
  response.writeHead(404).end();
}

function expire(isMeant, time) {
  for (const key of store.jwks.filter(isMeant)) key.expiresAt = new Date(time);
}

async function help(request, response) {
  const chunks = await request.toArray();
  const given = chunks.length ? JSON.parse(Buffer.concat(chunks)) : {};
  const answers = {
    "/tests/verification-token": () => verification,
    "/tests/mint": () =>
      new SignJWT(given)
        .setProtectedHeader({ alg: "HS256" })
        .setIssuedAt()
        .setExpirationTime("7d")
        .sign(new TextEncoder().encode(secret)),
    // The interval is over: the plugin makes the next key by itself when it signs next.
    "/tests/rotate": () => expire(() => true, Date.now()),
    // So is the grace period: an expired key is published no more.
    "/tests/retire": () => expire((key) => key.expiresAt < Date.now(), 0),
  };
  const value = await answers[request.url]();
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(value ?? null));
}

const server = createServer();
server.listen(Number(process.env.PORT), "127.0.0.1", () => {
  const address = `http://127.0.0.1:${server.address().port}`;
  server.on("request", start(address));
  console.log(address);
});
