/**
 * What the page of the console and its node say to each other: an RPC group over one WebSocket, typed at both ends.
 *
 * All of it is bounded. A text of a peer is cut to 200 characters, and then says how many it had; lists are cut, and a count beside them says how long they
 * are. Times are milliseconds since the epoch. Keys are the text of public keys, in full: only they say who somebody is.
 *
 * What bites: names, descriptions, values and messages are what peers say. The page shows them as text.
 *
 * @since 0.2.0
 */
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { CallEvent, CallInput, Function } from "./internal/api/calls.ts"
import { BusyError, FailedError, NotActingError } from "./internal/api/errors.ts"
import { Event, Rates, Span, Trace } from "./internal/api/happening.ts"
import { Finding, PeerPage, Rows, Topic } from "./internal/api/looking.ts"
import { Hello, Patch } from "./internal/api/network.ts"

export { CallEvent, CallInput, Function } from "./internal/api/calls.ts"
export { BusyError, FailedError, NotActingError } from "./internal/api/errors.ts"
export { Event, Rate, Rates, Span, Trace } from "./internal/api/happening.ts"
export { Finding, PeerPage, Row, Rows, Topic } from "./internal/api/looking.ts"
export { Conflict, Hello, Links, Patch, Peer, Session, Trust, Who } from "./internal/api/network.ts"

const key = { key: Schema.String.check(Schema.isMaxLength(64)) }
const name = { name: Schema.String.check(Schema.isMaxLength(256)) }
const Acting = Schema.Union([NotActingError, FailedError])
const Watching = Schema.Union([BusyError, FailedError])

/**
 * Everything that the page asks its node for.
 *
 * - `hello`: what the console is the console of
 * - `watch`: who is there and who sees whom: first all of it, then at most five times a second what has changed
 * - `events`: what happens: first at most 200 of what has happened while somebody looked
 * - `rates`: calls, each second
 * - `traces`: spans of this node as they end, and of those before that are kept, 200 at the most
 * - `trace`: all spans of one trace, those of peers that serve `ConsoleAgent` among them
 * - `describe`: the functions of a peer
 * - `call`: calls a function; interrupting it interrupts the call
 * - `peer`: all that is known of a peer
 * - `diagnose`: what is wrong with the machine and its network. Takes seconds
 * - `topics`: topics that somebody subscribes to
 * - `table`: the last values of a topic, or of all that a pattern means
 * - `allow`, `revoke`, `forget`, `resolveConflict`: decisions about whom a name belongs to, by an operator who has compared the key. They fail
 *   with `NotActingError` where the console does not act
 *
 * @category groups
 * @since 0.2.0
 */
export const ConsoleApi = RpcGroup.make(
  Rpc.make("hello", { success: Hello }),
  Rpc.make("watch", { success: Patch, error: Watching, stream: true }),
  Rpc.make("events", { success: Event, error: Watching, stream: true }),
  Rpc.make("rates", { success: Rates, error: Watching, stream: true }),
  Rpc.make("traces", { success: Schema.Array(Span), error: Watching, stream: true }),
  Rpc.make("trace", { payload: { trace: Schema.String.check(Schema.isMaxLength(32)) }, success: Trace }),
  Rpc.make("describe", { payload: key, success: Schema.Array(Function), error: FailedError }),
  Rpc.make("call", { payload: CallInput, success: CallEvent, error: Watching, stream: true }),
  Rpc.make("peer", { payload: key, success: PeerPage, error: FailedError }),
  Rpc.make("diagnose", { success: Schema.Array(Finding), error: FailedError }),
  Rpc.make("topics", { success: Schema.Array(Topic) }),
  Rpc.make("table", {
    payload: { topic: Schema.String.check(Schema.isBetweenLength(1, 255)) },
    success: Rows,
    error: Watching,
    stream: true
  }),
  Rpc.make("allow", { payload: { ...name, ...key }, error: Acting }),
  Rpc.make("revoke", { payload: key, error: Acting }),
  Rpc.make("forget", { payload: name, error: Acting }),
  Rpc.make("resolveConflict", { payload: { ...name, ...key }, error: Acting })
)
