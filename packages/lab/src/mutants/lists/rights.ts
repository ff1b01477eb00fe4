/** What a peer may do, and who says so: rights, the functions' own word, and certificates. */
import { of, suites } from "./of.ts"

const permission = of("rights", "packages/core/src/internal/session/permission.ts", suites("Allow.sim"), {
  "calls": [
    `!Rights.allows(rights.calls, name)`,
    `false`,
    "a peer calls what the trust policy does not let it"
  ],
  "nothing": [
    `Cause.hasInterruptsOnly(cause)`,
    `cause.reasons.every(Cause.isInterruptReason)`,
    "a predicate that fails with nothing is not said to be no"
  ],
  "only-true": [
    `may === true ?`,
    `may ?`,
    "a predicate that gives anything lets everybody in"
  ],
  "patience": [
    `return typeof allow === "function"
    ? Effect.timeoutOrElse`,
    `return typeof allow === "string"
    ? Effect.timeoutOrElse`,
    "a predicate that never decides keeps its caller for ever"
  ],
  "broken": [
    `          cause
        )),
      false
    )`,
    `          cause
        )),
      true
    )`,
    "a predicate that throws lets everybody in"
  ],
  "role": [
    `Rights.allows(caller.rights.roles, role)`,
    `role !== ""`,
    "a role that nobody granted lets its function be called"
  ]
})

const policy = of("rights", "packages/core/src/AuthorityTrust.ts", suites("AuthorityTrust"), {
  "signature": [
    `if (!Authority.verify(this.#crypto, this.#authority, bytes)) {
      return this.#bad(name`,
    `if (false) {
      return this.#bad(name`,
    "a certificate of anybody's is taken"
  ],
  "key": [
    `if (certificate.publicKey !== publicKey) return`,
    `if (false) return`,
    "a certificate is good for whoever shows it"
  ],
  "network": [
    `if (certificate.networkId !== this.#networkId) {
      return`,
    `if (false) {
      return`,
    "a certificate for another network is taken"
  ],
  "older": [
    `kept.serial >= certificate.serial`,
    `kept.serial === certificate.serial`,
    "an older certificate, with more rights, is taken for the newer"
  ],
  "name": [
    `if (certificate.name !== name) return`,
    `if (false) return`,
    "a certificate is good for any name"
  ],
  "expired": [
    `if (now >= certificate.expires + skew) return`,
    `if (now >= certificate.expires * skew) return`,
    "a certificate holds for ever"
  ],
  "early": [
    `if (this.#early(certificate)) return kept`,
    `if (false) return kept`,
    "a certificate that was made in advance takes the place of the one that holds until then"
  ],
  "serial-revoked": [
    `if (this.#revoked.serials.has(certificate.serial)) return`,
    `if (false) return`,
    "a certificate that was revoked holds"
  ],
  "rollback": [
    `if (list.version <= this.#revoked.version) return false`,
    `if (list.version === this.#revoked.version) return false`,
    "an older list takes the place of a newer, and who was revoked is back"
  ],
  "list-signature": [
    `if (!Authority.verify(this.#crypto, this.#authority, bytes)) return "its signature is not the authority's"
    this.#revoked`,
    `this.#revoked`,
    "anybody revokes, and takes back"
  ]
})

const form = of(
  "rights",
  "packages/core/src/internal/values/credentials.ts",
  suites("Authority", "certificateVectors"),
  {
    "one-form": [
      `equal(again, signed) ? value : undefined`,
      `true ? value : undefined`,
      "a certificate has several forms"
    ],
    "topics": [
      `isTopics ? !isTopicPattern(name) : !isPattern(name)`,
      `!isPattern(name)`,
      "a certificate grants by what looks like a subscription"
    ],
    "length": [
      `bytes.length + signatureLength <= maxCertificate`,
      `bytes.length <= maxCertificate`,
      "a certificate may be longer than all take"
    ]
  }
)

const ofTopics = of("rights", "packages/core/src/Rights.ts", suites("Rights"), {
  "beginning": [
    `name.startsWith(pattern.slice(0, -1))`,
    `pattern.startsWith(name.replace(/[*>].*/, ""))`,
    "a subscription to names of which some are granted hears all of them"
  ],
  "topic-more": [
    `!text.includes(">") ||`,
    `true ||`,
    "a right that looks like a subscription is taken, and grants something else than it says"
  ]
})

const ed25519 = of(
  "rights",
  "packages/core/src/internal/crypto/ed25519.ts",
  suites("Crypto", "certificateVectors", "node/NodeCrypto"),
  {
    "low-order": [
      `isBelow(y, prime) && !lowOrder.some`,
      `isBelow(y, prime) || !lowOrder.some`,
      "a key of low order signs everything"
    ]
  }
)

const exchanging = of("rights", "packages/core/src/internal/session/credentials.ts", suites("AuthorityTrust.sim"), {
  "shown": [`stream.wholeUpTo(maxShown)`, `stream.wholeUpTo(1e9)`, "what a peer shows has no bound"],
  "asking": [
    ` || this.#asking.has(who.publicKey)`,
    ``,
    "one peer is asked for a list as often as it says that it has one"
  ],
  "permits": [
    `return this.#permits.withPermit(`,
    `return ((effect: Effect.Effect<void>) => effect)(`,
    "any number of peers are asked for lists at once"
  ],
  "list": [`limit: this.#policy.limit }`, `limit: 1e9 }`, "a list has no bound"],
  "seldom": [
    `if (!this.#may(peer, this.#host.now())) return`,
    `if (false) return`,
    "certificates are verified without end"
  ]
})

export const rightsList = [...exchanging, ...permission, ...policy, ...form, ...ofTopics, ...ed25519]
