/**
 * Why something did not work: pointers from the messages of errors, and lines of the log, to the page that explains them.
 *
 * The page is `docs/why-cant-i.md`, which is a part of this package: where it is installed, a pointer is a path in `node_modules`.
 *
 * @since 0.2.0
 */
import * as Quote from "./internal/base/quote.ts"

/**
 * The page, as a path from `node_modules`.
 *
 * @category constants
 * @since 0.2.0
 */
export const page = "@pnet/core/docs/why-cant-i.md"

/**
 * The anchors of the page, each with a section of its own. They stay as they are when the headings change.
 *
 * @category constants
 * @since 0.2.0
 */
export const anchors = [
  // finding peers
  "peer-unknown",
  "nobody-offers",
  "network-key-differs",
  "clocks-differ",
  "other-network",
  "translated-address",
  "peers-hidden",
  "host-name",
  "nothing-listed",
  "this-node-itself",
  "name-shared",
  // trust
  "key-changed",
  "key-in-use",
  "not-listed",
  "pins-full",
  "revoked",
  "name-mismatch",
  "untrusted-by-peer",
  "allow-list-entry",
  "trust-open",
  "authority",
  "no-certificate",
  "bad-certificate",
  // reaching peers
  "cannot-connect",
  "connection-closed",
  "peer-lost",
  "no-answer",
  "busy",
  "too-large",
  "replay",
  "handshake",
  "broken-packet",
  "fernet-token",
  "node-closed",
  // calls
  "unknown-function",
  "not-allowed",
  "invalid-arguments",
  "headers-unsupported",
  "not-json",
  "failed-there",
  "broke-there",
  "deadline",
  "given-up",
  "overloaded",
  "nobody-there",
  "going-away",
  "contract",
  "duplicate-function",
  // topics
  "nothing-heard",
  "topic-full",
  "invalid-publication",
  "topic-limit",
  // mail and durable topics
  "not-posted",
  "no-mailbox",
  "not-kept",
  "not-replayed",
  // starting a node
  "options",
  "network-key",
  "network-keys",
  "port-in-use",
  "no-such-address",
  "permission-denied",
  "broadcast-forbidden",
  "no-broadcasts",
  "system-error",
  "way",
  // files
  "secret",
  "throwaway-identity",
  "identity-store",
  "identity-exposed",
  "identity-in-use",
  "identity-malformed",
  "identity-missing",
  "identity-disk",
  "trust-malformed",
  "trust-exposed",
  "trust-missing",
  "trust-disk",
  "slow-crypto"
] as const

/**
 * An anchor of the page.
 *
 * @category models
 * @since 0.2.0
 */
export type Anchor = (typeof anchors)[number]

/**
 * A text of others, as a part of a message: in one line, and with nothing in it that a terminal or a log would act on.
 *
 * @category conversions
 * @since 0.2.0
 */
export const escape = (text: string): string => Quote.escapeText(text)

/**
 * A value of others as JSON, as a part of a message: in one line, and with nothing in it that a terminal or a log would act on.
 *
 * @category conversions
 * @since 0.2.0
 */
export const quote = (value: unknown): string => Quote.quote(value)

const pointer = new RegExp(`; see ${page}#[a-z-]+`, "g")

/**
 * The message without what points to the page, to be a part of another one.
 *
 * @category combinators
 * @since 0.2.0
 */
export const plain = (message: string): string => message.replaceAll(pointer, "")

/**
 * The message, and where it is explained. Where another message is a part of this one and says so already, that is where it points:
 * the cause is explained and not what it led to. `plain` keeps it from that.
 *
 * @category combinators
 * @since 0.2.0
 */
export const see = (message: string, anchor: Anchor): string => {
  const inner = message.match(pointer)
  return inner === null ? `${message}; see ${page}#${anchor}` : plain(message) + inner[0]
}
