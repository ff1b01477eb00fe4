/**
 * Which rules of `docs/protocol.md` a vector is about, by its name: the first line that matches. The rule is the name of an anchor there,
 * without its `r-`.
 */

/** One rule, or several. */
export type Rule = string | ReadonlyArray<string>

type Table = ReadonlyArray<readonly [names: RegExp, ...rules: ReadonlyArray<string>]>

const packets: Table = [
  // adverts
  [/^adv-(ipv4|by-tcp)$/, "advert-text", "packet-sections"],
  [/^adv-leaving$/, "advert-port"],
  [/^adv-ipv6$/, "advert-host"],
  [/^adv-utf8$/, "label-network-id", "label-name", "label-compared"],
  [/^adv-encrypted$/, "token-layout", "token-envelope", "token-where"],
  [/^adv-encrypted-second-key$/, "token-several"],
  [/^adv-encrypted-(oldest|newest)$/, "token-time"],
  [/^adv-(no-at|two-at|empty)$/, "advert-text", "order-advert"],
  [/^adv-line-feed$/, "advert-text", "packet-datagram"],
  [/^adv-(empty-name|name-(star|65|control))$/, "advert-name", "label-name"],
  [/^adv-(host-name|ipv4-.*|ipv6-.*)$/, "advert-host"],
  [/^adv-(no-port|port-.*)$/, "advert-port"],
  [/^adv-bad-utf8$/, "order-utf8", "advert-name"],
  // refusals, lengths and sections
  [/^err-with-key$/, "err-key"],
  [/^err-without-key$/, "err-key"],
  [/^err-unknown$/, "err-unknown"],
  [/^stream-131072$/, "packet-length-least", "packet-length"],
  [/^stream-131073$/, "order-length", "packet-length"],
  [/^stream-131072-no-line-feed$/, "packet-no-line-feed"],
  [/^datagram-140[01]$/, "order-length", "packet-length"],
  [/^(no-line-feed|stream-ended)$/, "order-line-feed"],
  [/^cr-lf$/, "packet-line-feed", "order-end"],
  [/^not-end$/, "order-end"],
  [/^(four|six)-sections$/, "order-sections"],
  [/^two-in-one-datagram$/, "packet-datagram"],
  [/^network-normalised$/, "label-compared", "order-network"],
  [/^network-bad-utf8$/, "order-utf8", "order-network"],
  [/^network-/, "order-network"],
  [/^type-(msg|err)-in-datagram$/, "packet-datagram", "order-expected"],
  [/^type-second-adv$/, "advert-by-tcp-once", "order-expected"],
  [/^type-(rsp-first|msg-as-answer)$/, "order-expected"],
  [/^type-/, "order-type"],
  [/^key-empty$/, "order-key"],
  [/^key-(unpadded|blank|plus|unused-bits)$/, "packet-base64url", "order-key"],
  [/^key-bad-utf8$/, "order-utf8", "order-key"],
  [/^key-/, "key-valid", "order-key"],
  // RAW
  [/^raw-request$/, "raw-command", "raw-body"],
  [/^raw-answer$/, "raw-command", "raw-body"],
  [/^raw-request-empty$/, "raw-body"],
  [/^raw-request-encrypted$/, "token-envelope", "token-where"],
  [/^raw-answer-encrypted$/, "token-envelope", "token-where"],
  [/^raw-request-(oldest|newest)$/, "raw-stamp-near"],
  [/^raw-request-latest$/, "raw-stamp-start"],
  [/^raw-request-next$/, "raw-stamp-last"],
  [/^raw-(too-old|too-new|far-future)$/, "raw-stamp-near", "order-stamp"],
  [/^raw-stamp-/, "raw-stamp-range", "order-stamp"],
  [/^raw-before-start$/, "raw-stamp-start", "order-stamp"],
  [/^raw-(replayed|earlier)$/, "raw-stamp-last", "order-stamp"],
  [/^raw-/, "raw-opens", "order-raw"],
  [/^msg-own-key$/, "order-key-sender"],
  [/^msg-not-canonical$/, "packet-base64url", "order-command"],
  [/^msg-bad-utf8$/, "order-utf8", "order-command"],
  [/^msg-/, "order-command"],
  [/^answer-(other-key|own-key)$/, "order-key-asked", "raw-answer-checks"],
  [/^answer-not-/, "order-answer"],
  [/^answer-other-stamp$/, "raw-answer-stamp"],
  [/^answer-/, "raw-answer-checks", "order-raw"],
  // tokens
  [/^net-in-clear$/, "token-required"],
  [/^net-no-key$/, "token-no-key"],
  [/^net-too-/, "token-time"],
  [/^net-(moved-.*|no-envelope)$/, "token-envelope"],
  [/^net-flipped$/, "token-hmac"],
  [/^net-unpadded$/, "packet-base64url", "token-failure"],
  [/^net-other-key$/, "token-failure", "order-token"],
  [/^net-adv-format$/, "order-advert"],
  [/^net-handshake$/, "order-command"],
  // several rules at once
  [/^order-own-key$/, "order-first", "order-key-sender"],
  [/^order-replay-after-box$/, "order-first", "order-raw"],
  [/^order-/, "order-first"]
]

const handshakes: Table = [
  [
    /^binary$/,
    "handshake-hello",
    "handshake-welcome",
    "handshake-cookie",
    "handshake-initiate",
    "handshake-vouch",
    "handshake-ready",
    "handshake-carried",
    "session-message",
    "session-flags",
    "record-framing"
  ],
  [/^(text|mixed)$/, "handshake-carried", "session-message", "session-text", "record-framing"],
  // metadata
  [/^(initiate|ready)-order$/, "metadata-twice"],
  [/^(initiate|ready)-(case|framing-case)$/, "metadata-case"],
  [/^(initiate|ready)-unknown$/, "metadata-unknown", "metadata-names"],
  [/^(initiate|ready)-framing/, "metadata-framing"],
  [/^(initiate|ready)-features/, "metadata-features"],
  [/^(initiate|ready)-name-empty$/, "metadata-names"],
  [/^(initiate|ready)-(no-metadata|no-pnet|no-node|no-network)$/, "metadata-required"],
  [/^(initiate|ready)-pnet-/, "metadata-pnet"],
  [/^(initiate|ready)-node-/, "metadata-node", "label-name"],
  [/^(initiate|ready)-twice/, "metadata-twice"],
  [/^(initiate|ready)-(cut-.*|size-huge)$/, "metadata-layout"],
  [/^(initiate|ready)-(other-network|network-empty|network-bad-utf8)$/, "metadata-network"],
  [/^(initiate|ready)-other-network-and-pnet$/, "metadata-order"],
  // HELLO and WELCOME
  [/^hello-(initiate|message)$/, "handshake-step"],
  [/^hello-key-/, "handshake-hello-checks", "key-valid"],
  [/^hello-/, "handshake-hello-checks", "handshake-hello"],
  [/^welcome-(hello|ready)$/, "handshake-step"],
  [/^welcome-key-/, "handshake-client-opens", "key-valid"],
  [/^welcome-/, "handshake-client-opens", "handshake-welcome"],
  // INITIATE
  [/^initiate-(other-cookie|cookie-of-another-client)$/, "handshake-cookie-key", "handshake-initiate-opens"],
  [/^initiate-nonce-/, "session-nonce", "handshake-initiate-opens"],
  [/^initiate-(flipped|short|long)$/, "handshake-initiate-opens", "handshake-initiate"],
  [/^initiate-hello$/, "handshake-once", "handshake-step"],
  [/^initiate-welcome$/, "handshake-step"],
  [/^initiate-(packet-key|low-order)$/, "handshake-initiate-long-term"],
  [/^initiate-(claims-gamma|vouch-.*)$/, "handshake-initiate-vouch", "handshake-vouch"],
  // READY and MESSAGE
  [/^ready-nonce-/, "session-nonce", "handshake-client-opens"],
  [/^ready-(flipped|short|long)$/, "handshake-client-opens", "handshake-ready"],
  [/^ready-(initiate|message)$/, "handshake-step"],
  [/^message-(nonce-.*|reflected.*)$/, "session-nonce", "session-violation"],
  [/^message-flags-3$/, "session-flags", "session-violation"],
  [/^message-/, "session-violation"]
]

const commands: Table = [
  [
    /^add$/,
    "command-document",
    "command-args",
    "frame-layout",
    "frame-open",
    "frame-data",
    "frame-end",
    "stream-types",
    "record-framing"
  ],
  [/^greet$/, "command-kwargs", "deadline-form"],
  [/^get_funcs$/, "command-get-funcs"],
  [/^unknown$/, "command-code-unknown-function"],
  [/^failed$/, "command-code-failed"]
]

const derived: Table = [
  [/^key$/, "derived-address"],
  [/^url$/, "derived-url", "derived-address"]
]

const tables = { packets, handshakes, commands, derived }

/** The rules of a vector; a vector that is about none is a fault. */
export const ruleOf = (section: keyof typeof tables, name: string): Rule => {
  const found = tables[section].find(([names]) => names.test(name))
  if (found === undefined) throw new Error(`${section}: the vector ${name} is about no rule; see vectors/rules.ts`)
  const [, ...rules] = found
  return rules.length === 1 ? rules[0]! : rules
}
