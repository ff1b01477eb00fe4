/**
 * What keeps nodes from being found, in words for whoever has to mend it: the log, `peers.obstacles` and `PeerUnknownError` have it.
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"

/**
 * Something that keeps nodes which were heard, or are listed in `peers`, from being found.
 *
 * - `NetworkKey`: the network keys differ, or one of the two has none
 * - `Clock`: on a network with a key, the clocks differ by over a minute
 * - `NetworkId`: it belongs to another network
 * - `Source`: its adverts name another address than they come from
 * - `Limit`: a bound of this node leaves it out
 * - `HostName`: a name in the option `peers` does not resolve
 * - `PinnedKey`: the node at a listed URL has another key than the URL says
 * - `NoAnswer`: nobody answers at an address of the option `peers`, or something that is no node
 * - `NothingListed`: nodes at IPv6 addresses are found by the option `peers` alone, and it is empty
 * - `NotSent`: adverts cannot be sent from an address of this machine
 *
 * @category schemas
 * @since 0.2.0
 */
export const Obstacle = Schema.Struct({
  kind: Schema.Literals([
    "NetworkKey",
    "Clock",
    "NetworkId",
    "Source",
    "Limit",
    "HostName",
    "PinnedKey",
    "NoAnswer",
    "NothingListed",
    "NotSent"
  ]),
  /** The node's address, or what is listed. */
  where: Schema.String,
  /** What is in the way, as a sentence. */
  what: Schema.String,
  /** What to do about it. */
  remedy: Schema.String
})

/**
 * Something that keeps nodes from being found.
 *
 * @category models
 * @since 0.2.0
 */
export type Obstacle = typeof Obstacle.Type
