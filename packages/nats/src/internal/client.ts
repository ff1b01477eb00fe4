/**
 * The client of NATS as this package uses it: how it connects, by TCP in Node or by WebSocket everywhere, and what its failures mean.
 *
 * What bites: the client keeps its transport for its whole process, so that one that reconnects takes whatever was used last. So all of them
 * that are open at once are of one kind.
 */
import {
  type ConnectionOptions,
  credsAuthenticator,
  type NatsConnection,
  nkeyAuthenticator,
  wsconnect
} from "@nats-io/nats-core"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import {
  MixedServersError,
  type NatsError,
  NoServerError,
  NotAuthorizedError,
  NotPermittedError,
  TlsError
} from "../NatsError.ts"
import { type NatsOptions, serversOf } from "../NatsOptions.ts"
import { tolerated } from "./headers.ts"
import { utf8 } from "./platform.ts"

export type Connect = (options: ConnectionOptions) => Promise<NatsConnection>

/** How to connect by TCP, where the platform can. */
export class Dialler extends Context.Reference<Connect | undefined>("@pnet/nats/Dialler", {
  defaultValue: () => undefined
}) {}

const isWebSocket = (server: string) => /^wss?:\/\//.test(server)

const secret = (value: string | Redacted.Redacted<string>): string =>
  typeof value === "string" ? value : Redacted.value(value)

const authentication = ({ credentials }: NatsOptions): { readonly by: string; readonly options: ConnectionOptions } => {
  if (credentials === undefined) return { by: "nothing", options: {} }
  if ("creds" in credentials) {
    return { by: "creds", options: { authenticator: credsAuthenticator(utf8(secret(credentials.creds))) } }
  }
  if ("nkey" in credentials) {
    return { by: "nkey", options: { authenticator: nkeyAuthenticator(utf8(secret(credentials.nkey).trim())) } }
  }
  if ("token" in credentials) return { by: "token", options: { token: secret(credentials.token) } }
  return { by: "user", options: { user: credentials.user, pass: secret(credentials.password) } }
}

const isOfTls = (error: Error & { readonly code?: string }) =>
  /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_|EPROTO/.test(error.code ?? "") || /'?tls'?|certificate|ssl/i.test(error.message)

const unauthorized = new Set(["AuthorizationError", "UserAuthenticationExpiredError", "InvalidCredentials"])

/** What a failure of the client means. */
export const errorOf = (cause: unknown, servers: ReadonlyArray<string>, by: string): NatsError => {
  if (!(cause instanceof Error)) return new NoServerError({ servers })
  const isKeyWrong = /creds|nkey|seed|checksum|credentials/i.test(cause.message) && by !== "nothing"
  if (unauthorized.has(cause.name) || isKeyWrong) return new NotAuthorizedError({ servers, by, cause })
  if (isOfTls(cause)) return new TlsError({ servers, cause })
  return new NoServerError({ servers, cause })
}

/** What the server forbade, where an error of the client is that. */
export const deniedBy = (error: unknown, permission: (subject: string) => string): NotPermittedError | undefined => {
  if (!(error instanceof Error) || error.name !== "PermissionViolationError") return undefined
  const { operation, subject } = error as Error & { readonly operation: string; readonly subject: string }
  return new NotPermittedError({
    operation: operation === "subscription" ? "subscribe" : "publish",
    subject,
    permission: permission(subject)
  })
}

// Those that are open, by kind.
const open = { tcp: 0, webSocket: 0 }

/** One connection of the client, closed with the scope. It connects again by itself, for ever. */
export const connect = (
  options: NatsOptions,
  own: { readonly name: string; readonly inboxPrefix: string }
): Effect.Effect<NatsConnection, NatsError, Scope.Scope> =>
  Effect.gen(function*() {
    const servers = serversOf(options)
    const dial = yield* Dialler
    const byWebSocket = servers.some(isWebSocket) || dial === undefined
    const [mine, other] = byWebSocket ? ["webSocket", "tcp"] as const : ["tcp", "webSocket"] as const
    if (open[other] > 0 || byWebSocket && !servers.every(isWebSocket)) return yield* new MixedServersError({ servers })
    yield* Effect.acquireRelease(Effect.sync(() => open[mine]++), () => Effect.sync(() => open[mine]--))
    const { by, options: authenticated } = yield* Effect.try({
      try: () => authentication(options),
      catch: (cause) => new NotAuthorizedError({ servers, by: "unreadable", cause })
    })
    const { tls } = options
    const wait = Duration.toMillis(options.reconnectWait)
    return yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: () =>
          (byWebSocket ? wsconnect : dial!)({
            ...authenticated,
            ...own,
            servers: [...servers],
            timeout: Duration.toMillis(options.connectTimeout),
            maxReconnectAttempts: -1,
            reconnectTimeWait: wait,
            reconnectJitter: wait / 4,
            reconnectJitterTLS: wait / 4,
            pingInterval: Duration.toMillis(options.pingInterval),
            maxPingOut: 2,
            noEcho: true,
            noAsyncTraces: true,
            // A user that is gone may be there again: whoever starts a server anew with another configuration does so.
            ignoreAuthErrorAbort: true,
            ...(tls === undefined || byWebSocket ? {} : {
              tls: {
                ...(tls.ca === undefined ? {} : { ca: tls.ca }),
                ...(tls.cert === undefined ? {} : { cert: tls.cert }),
                ...(tls.key === undefined ? {} : { key: secret(tls.key) }),
                ...(tls.handshakeFirst === undefined ? {} : { handshakeFirst: tls.handshakeFirst })
              }
            })
          }).then(tolerated),
        catch: (cause) => errorOf(cause, servers, by)
      }),
      // In order, where the server answers: what was said last has come, and it gives nothing more to whoever is gone.
      (client) =>
        Effect.interruptible(Effect.tryPromise(() => client.drain())).pipe(
          Effect.timeout("1 second"),
          Effect.ignore,
          Effect.andThen(Effect.ignore(Effect.tryPromise(() => client.close())))
        )
    )
  })
