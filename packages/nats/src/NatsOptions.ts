/**
 * How a node reaches its NATS servers: where they are, and as whom.
 *
 * @since 0.2.0
 */
import * as NodeOptions from "@pnet/core/NodeOptions"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

const isSecret = (u: unknown): u is string | Redacted.Redacted<string> =>
  typeof u === "string" && u !== "" || Redacted.isRedacted(u) && typeof Redacted.value(u) === "string"

const Secret = Schema.declare(isSecret, { expected: "a secret, redacted or as text" })

/**
 * As whom a node connects.
 *
 * - `{ creds }`: the text of a credentials file, as `nsc generate creds` prints it
 * - `{ user, password }`, `{ token }`: as the server's configuration has them
 * - `{ nkey }`: the seed of a user's key, which begins with `SU`
 *
 * @category schemas
 * @since 0.2.0
 */
export const Credentials = Schema.Union([
  Schema.Struct({ creds: Secret }),
  Schema.Struct({ user: Schema.NonEmptyString, password: Secret }),
  Schema.Struct({ token: Secret }),
  Schema.Struct({ nkey: Secret })
])

/**
 * As whom a node connects.
 *
 * @category models
 * @since 0.2.0
 */
export type Credentials = typeof Credentials.Type

/**
 * How connections are encrypted on their way to the server. pnet encrypts to the receiver whatever this says: it hides subjects and sizes from
 * those between a node and the server, and shows that it is the right server. Each text is PEM. Not in browsers, which have `wss://`.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Tls = Schema.Struct({
  /** The authority that signed the server's certificate. Default: those that the system trusts. */
  ca: Schema.optionalKey(Schema.String),
  /** The node's own certificate, where the server asks for one, and its key. */
  cert: Schema.optionalKey(Schema.String),
  key: Schema.optionalKey(Secret),
  /** Whether TLS comes first, before the server says anything. The server has to be told so too. Default `false`. */
  handshakeFirst: Schema.optionalKey(Schema.Boolean)
})

const Server = Schema.String.check(
  Schema.makeFilter((text: string) =>
    /^(?:(?:nats|tls|wss?):\/\/)?(?:[^\s/@:]+|\[[0-9a-fA-F:.]+\])(?::\d+)?(?:\/\S*)?$/.test(text) ||
    "expected a server as host, host:port, nats://host:port, tls://host:port or wss://host:port, without a user"
  )
)

const millis = Schema.declare(
  (u): u is Duration.Input => Option.isSome(Duration.fromInput(u as Duration.Input)),
  { expected: `a duration such as "1 second"` }
)

/**
 * The options of the way over NATS.
 *
 * @category schemas
 * @since 0.2.0
 */
export const NatsOptions = Schema.Struct({
  /** The servers, of which one is connected to: all of one cluster. Default: `127.0.0.1:4222`. */
  servers: Schema.Union([Schema.NonEmptyArray(Server), Server]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed<string>("127.0.0.1:4222"))
  ),
  /** As whom. Default: as nobody. */
  credentials: Schema.optionalKey(Credentials),
  /** Default: as the server has it. */
  tls: Schema.optionalKey(Tls),
  /** Whether a node starts where no server answers, and connects when one does. Default `false`: it fails. */
  wait: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
  /** Time for a connection to a server. Default 5 seconds. */
  connectTimeout: millis.pipe(Schema.withDecodingDefaultKey(Effect.succeed<Duration.Input>("5 seconds"))),
  /** Time between two attempts to connect again, which go on for ever. Default 1 second. */
  reconnectWait: millis.pipe(Schema.withDecodingDefaultKey(Effect.succeed<Duration.Input>("1 second"))),
  /** How often the server is asked for a sign of life; the third time that it gave none, the connection is made anew. Default 5 seconds. */
  pingInterval: millis.pipe(Schema.withDecodingDefaultKey(Effect.succeed<Duration.Input>("5 seconds"))),
  /**
   * Whether a connection that is accepted counts as from the node that its subject names, for the limits by address. Say `false` where users of
   * the servers may publish as whomever they like, and are not trusted not to: then all connections count as from one address. Default `true`.
   */
  trustSenders: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(true))),
  /**
   * How a newcomer finds who is there: `auto` (default), from the directory in JetStream where the server has it and this user may use it, and
   * by asking another node; or `ask`, by that alone.
   */
  directory: Schema.Literals(["auto", "ask"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("auto" as const))
  )
})

/**
 * Options with every default filled in.
 *
 * @category models
 * @since 0.2.0
 */
export type NatsOptions = typeof NatsOptions.Type

/**
 * Options as they are written. None is required.
 *
 * @category models
 * @since 0.2.0
 */
export type Input = typeof NatsOptions.Encoded

const decode = Schema.decodeUnknownEffect(NatsOptions, { errors: "all", onExcessProperty: "error" })

/**
 * Checks options and fills in defaults.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (input: Input): Effect.Effect<NatsOptions, NodeOptions.OptionsError> =>
  Effect.mapError(
    decode(input),
    (error) => new NodeOptions.OptionsError({ of: "options of NATS", issue: error.message })
  )

/**
 * The servers, as a list.
 *
 * @category getters
 * @since 0.2.0
 */
export const serversOf = ({ servers }: NatsOptions): ReadonlyArray<string> =>
  typeof servers === "string" ? [servers] : servers

const text = (name: string) => Config.option(Config.String(name))

const yesOrNo = (word: string): Option.Option<boolean> =>
  /^(?:true|yes|on|1|y)$/i.test(word)
    ? Option.some(true)
    : /^(?:false|no|off|0|n)$/i.test(word)
    ? Option.some(false)
    : Option.none()

const credentialsOf = (found: {
  readonly creds: Option.Option<Redacted.Redacted<string>>
  readonly user: Option.Option<string>
  readonly password: Option.Option<Redacted.Redacted<string>>
  readonly token: Option.Option<Redacted.Redacted<string>>
  readonly nkey: Option.Option<Redacted.Redacted<string>>
}): Credentials | undefined => {
  if (Option.isSome(found.creds)) return { creds: found.creds.value }
  if (Option.isSome(found.nkey)) return { nkey: found.nkey.value }
  if (Option.isSome(found.token)) return { token: found.token.value }
  if (Option.isSome(found.user) && Option.isSome(found.password)) {
    return { user: found.user.value, password: found.password.value }
  }
  return undefined
}

/**
 * The options from Effect `Config`: `PNET_NATS_SERVERS` (with commas), `PNET_NATS_CREDS` (the text of a credentials file), `PNET_NATS_NKEY`,
 * `PNET_NATS_TOKEN`, `PNET_NATS_USER` with `PNET_NATS_PASSWORD` (of several the first in this order), `PNET_NATS_TLS_CA` (PEM) and `PNET_NATS_WAIT`.
 * What is not set has the option's default; a secret that is set and empty is an error.
 *
 * @category config
 * @since 0.2.0
 */
export const config: Config.Config<Input> = Config.map(
  Config.all({
    servers: text("PNET_NATS_SERVERS"),
    creds: NodeOptions.variable("PNET_NATS_CREDS", "no credentials"),
    nkey: NodeOptions.variable("PNET_NATS_NKEY", "no key"),
    token: NodeOptions.variable("PNET_NATS_TOKEN", "no token"),
    user: text("PNET_NATS_USER"),
    password: NodeOptions.variable("PNET_NATS_PASSWORD", "no password"),
    ca: text("PNET_NATS_TLS_CA"),
    wait: NodeOptions.checkedVariable("PNET_NATS_WAIT", "true or false", yesOrNo)
  }),
  ({ ca, servers, wait, ...secrets }): Input => {
    const credentials = credentialsOf(secrets)
    const listed = Option.isSome(servers) ? servers.value.split(",").map((server) => server.trim()) : []
    return {
      ...(listed.length > 0 ? { servers: listed as [string, ...Array<string>] } : {}),
      ...(credentials === undefined ? {} : { credentials }),
      ...(Option.isSome(ca) ? { tls: { ca: ca.value } } : {}),
      ...(Option.isSome(wait) ? { wait: wait.value } : {})
    }
  }
)
