/** What is bound to a peer keeps its own types, and gains the errors of the peer. Nothing here is run. */
// What must not compile is expected to be TypeScript's own error; the Effect diagnostics would report it a second time.
// @effect-diagnostics missingEffectError:off missingEffectContext:off floatingEffect:off
import type { FunctionError, Peers } from "@pnet/core"
import { type Cause, Context, Effect, type Scope, type Stream, type SubscriptionRef } from "effect"
import { expectTypeOf } from "vitest"

class Database extends Context.Service<Database, { readonly read: Effect.Effect<string, "unreadable"> }>()(
  "typetest/PeersDatabase"
) {}

declare const peers: Peers.Peers["Service"]
const read = Effect.flatMap(Database, ({ read }) => read)

expectTypeOf(peers.whileOnline("bob", (_peer: Peers.Peer) => read)).toEqualTypeOf<
  Effect.Effect<
    string,
    | "unreadable"
    | Peers.PeerLostError
    | Peers.PeerUnknownError
    | Peers.NameConflictError
    | FunctionError.NodeClosedError,
    Database
  >
>()
expectTypeOf(peers.wheneverOnline("bob", () => read)).toEqualTypeOf<Effect.Effect<never, "unreadable", Database>>()
// Of several, what fails for one ends nothing for the others.
expectTypeOf(peers.wheneverOnline("*", () => read)).toEqualTypeOf<Effect.Effect<never, never, Database>>()
expectTypeOf(peers.wheneverOnline({ role: "worker" }, () => read, {
  onFailure: (_peer, cause) => {
    expectTypeOf(cause).toEqualTypeOf<Cause.Cause<"unreadable">>()
    return Effect.void
  }
})).toEqualTypeOf<Effect.Effect<never, never, Database>>()
expectTypeOf(peers.scoped("bob")).toEqualTypeOf<
  Effect.Effect<
    Peers.PeerScope,
    Peers.PeerUnknownError | Peers.NameConflictError | FunctionError.NodeClosedError,
    Scope.Scope
  >
>()
expectTypeOf(Effect.flatMap(peers.scoped("bob"), (bob) => bob.run(read))).toEqualTypeOf<
  Effect.Effect<
    string,
    | "unreadable"
    | Peers.PeerLostError
    | Peers.PeerUnknownError
    | Peers.NameConflictError
    | FunctionError.NodeClosedError,
    Database | Scope.Scope
  >
>()
expectTypeOf(peers.presence).toEqualTypeOf<SubscriptionRef.SubscriptionRef<ReadonlyArray<Peers.Peer>>>()
expectTypeOf(peers.presenceOf("bob")).toEqualTypeOf<Stream.Stream<Peers.Peer | undefined>>()

// @ts-expect-error an effect is made for the peer that is there
peers.whileOnline("bob", read)
// @ts-expect-error names and keys are checked where they come in
peers.resolveConflict("bob", "key")
