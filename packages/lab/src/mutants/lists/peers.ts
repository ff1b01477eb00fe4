/** Who is there, who is trusted, what is in files, and what adverts may do. */
import { of, suites } from "./of.ts"

const trust = of("trust", "packages/core/src/TofuTrust.ts", suites("Trust"), {
  "pinned": [
    `return pinned === undefined || pinned === publicKey
      ? undefined`,
    `return true
      ? undefined`,
    "a name that is pinned to a key is taken by another"
  ],
  "revoked": [
    `if (revoked.has(publicKey)) return new UntrustedPeerError`,
    `if (false) return new UntrustedPeerError`,
    "a key that was revoked is trusted"
  ],
  "pin-revoked": [
    `const refused = revoked.has(publicKey)
          ? judge(name, publicKey)`,
    `const refused = false
          ? judge(name, publicKey)`,
    "a key that was revoked is pinned again"
  ],
  "capacity": [
    `if (this.#all.size >= this.#capacity) return`,
    `if (false) return`,
    "strangers make as many pins as they like"
  ],
  "half": [
    `this.#inbound < Math.ceil(this.#capacity / 2) && fromThere`,
    `fromThere`,
    "those who connect use up all pins"
  ],
  "per-address": [`&& fromThere < this.#perAddress`, ``, "one address uses up the pins"],
  "counted": [
    `this.#count(this.#all.get(pin.name)?.from, -1)
    this.#all.set`,
    `this.#all.set`,
    "a pin that changed is counted twice"
  ],
  "forget-counted": [
    `this.#count(pin.from, -1)
    this.#all.delete`,
    `this.#all.delete`,
    "a pin that was given back is counted for ever"
  ],
  "pin-signal": [
    `return Effect.andThen(add({ name, publicKey }, "operator"), Effect.sync(signal.notify))`,
    `return add({ name, publicKey }, "operator")`,
    "a session with a key that the operator has replaced goes on",
    { tests: ["Trust", "Trust.sim"] }
  ],
  "revoke-signal": [
    `options?.onRevoke === undefined ? Effect.void : options.onRevoke(publicKey),
          Effect.sync(signal.notify)`,
    `options?.onRevoke === undefined ? Effect.void : options.onRevoke(publicKey),
          Effect.void`,
    "a session with a key that was revoked goes on",
    { tests: ["Trust", "Trust.sim"] }
  ],
  "replace-signal": [
    `revoked = new Set(known.revoked)
        signal.notify()`,
    `revoked = new Set(known.revoked)`,
    "sessions are not judged again when the file has changed",
    { tests: ["Trust", "Trust.sim"] }
  ],
  "learnt": [
    `if (kept === undefined || kept.publicKey === pin.publicKey && kept.from !== undefined && pin.from === undefined) {`,
    `{`,
    "what a program learnt replaces what its file says"
  ],
  "learnt-from": [
    `if (kept === undefined || kept.publicKey === pin.publicKey && kept.from !== undefined && pin.from === undefined) {`,
    `if (kept === undefined) {`,
    "who was reached is kept as one who only connected"
  ]
})

const allowList = of("trust", "packages/core/src/AllowListTrust.ts", suites("Trust"), {
  "allow-key": [
    `return expected === publicKey
          ? Effect.void`,
    `return expected !== undefined
          ? Effect.void`,
    "a listed name is taken by another key"
  ],
  "allow-name": [
    `return expected === publicKey
          ? Effect.void`,
    `return expected === publicKey || expected === undefined
          ? Effect.void`,
    "who is not listed is trusted"
  ],
  "allow-signal": [
    `list = next
        signal.notify()`,
    `list = next`,
    "a session with one who was taken off the list goes on",
    { tests: ["Trust", "Trust.sim"] }
  ],
  "allow-checked": [
    `if (!isNodeName(name)) return Result.fail(new AllowListError`,
    `if (false) return Result.fail(new AllowListError`,
    "a list has a name that is none, and lists nobody"
  ]
})

const trustFile = of("trust-file", "packages/node/src/NodeTrust.ts", suites("node/NodeTrust"), {
  "owner": [
    `if (owner !== undefined) return yield* new TrustFileExposed({ mode, owner })`,
    ``,
    "another user decides who is trusted"
  ],
  "pipe": [`yield* judge(there)`, ``, "a pipe in place of the file hangs the start"],
  "mode": [
    `if (Files.modeIsMeaningful && (mode & 0o002) !== 0) return`,
    `if (false) return`,
    "a file that everybody may write says who is trusted"
  ],
  "kind": [`if (info.type !== "File") {`, `if (false) {`, "a folder or a device is read for a file"],
  "length": [`if (length > maximumSize) {`, `if (false) {`, "a file of any length is parsed"],
  "half-written": [
    `if (!again.bytes.equals(contents.bytes)) return undefined`,
    ``,
    "a file that is half written is taken for whole"
  ],
  "missing": [
    `Effect.andThen(create(last.map((line) => line.text))),`,
    `Effect.andThen(create(header)),`,
    "a file that is gone for a moment loses all pins"
  ]
})

const replaceFile = of("trust-file", "packages/node/src/internal/replaceFile.ts", suites("node/NodeTrust"), {
  "private": [
    `const file = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })`,
    `const file = yield* fs.open(temporary, { flag: "wx", mode: 0o666 })`,
    "others may read, or write, the file of known peers"
  ]
})

const trustText = of("trust-file", "packages/node/src/internal/trustText.ts", suites("node/NodeTrust"), {
  "twice": [`if (pins.has(name)) return malformed(`, `if (false) return malformed(`, "a name is pinned to two keys"],
  "revoked-list": [
    `if (kind === "allow list") {
        return malformed`,
    `if (false) {
        return malformed`,
    "a revocation in an allow list does nothing"
  ]
})

const lockFile = of("trust-file", "packages/node/src/internal/lockFile.ts", suites("node/NodeTrust"), {
  "lock": [
    `yield* Effect.acquireRelease(take(lock, held._tag !== "Taken"), (mine) => giveBack(lock, mine))
      return`,
    `return`,
    "two programs write one file at once, and one loses its pins"
  ],
  "stale": [
    `if (Math.max(age, now - seen.since) > staleAfter) yield* fs.remove`,
    `yield* fs.remove`,
    "a lock that is held is taken away"
  ]
})

const identityFile = of("identity-file", "packages/node/src/NodeIdentity.ts", suites("node/NodeIdentity"), {
  "mode": [
    `(mode & 0o077) !== 0) return yield* new IdentityFileExposed`,
    `false) return yield* new IdentityFileExposed`,
    "a secret that others may read is used"
  ],
  "private": [
    `const file = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })`,
    `const file = yield* fs.open(temporary, { flag: "wx", mode: 0o644 })`,
    "a new secret is written for all to read"
  ],
  "owner": [
    `if (owner !== undefined) return yield* new IdentityFileExposed({ mode, owner })`,
    ``,
    "another user has the secret, and it is used"
  ],
  "pipe": [`yield* judge(yield* fs.stat(path))`, ``, "a pipe in place of the file hangs the start"],
  "held": [`if (held._tag !== "Taken") return keyPair`, `return keyPair`, "two processes run with one key"],
  "name": [
    `return /[a-z0-9_-]/.test(letter) ? letter :`,
    `return /[A-Za-z0-9_.\\/-]/.test(letter) ? letter :`,
    "the name of a node leads out of the folder of its key"
  ],
  "exclusive": [
    `Effect.as(fs.link(temporary, path), true).pipe(`,
    `Effect.as(fs.rename(temporary, path), true).pipe(`,
    "of two processes that begin at once one loses its identity"
  ],
  "lines": [`if (lines.length > 1) {`, `if (false) {`, "a file with two secrets is read as the first"]
})

const adverts = suites("Discovery.udp", "Taking.udp", "Limits.sim")

const hearing = of("adverts", "packages/core/src/internal/discovery/hearing.ts", adverts, {
  "network": [
    `networkId: self.networkId,
      types: heardTypes,`,
    `types: heardTypes,`,
    "adverts of another network are heard"
  ],
  "source": [
    `if (this.#checksSource && advert.host !== source.host) {`,
    `if (false) {`,
    "an advert names an address that it does not come from"
  ],
  "fresh": [
    `timestamp !== undefined && !this.#freshness.take(place!`,
    `timestamp === null && !this.#freshness.take(place!`,
    "a recorded advert brings back what it said"
  ],
  "fresh-again": [
    `if (place === undefined || !this.#freshness.take(place, last.endpoint.port, timestamp, token)) {`,
    `if (false) {`,
    "a recorded advert of what was said last is a sign of life"
  ],
  "behind": [
    `ear.behind = true
        return`,
    `return`,
    "what comes is heard before what came"
  ],
  "own": [
    `if (decoded.success.publicKey === this.#own && sockets.isOwn(source)) return this.#count("own")`,
    ``,
    "a node takes its own adverts for another node with its key"
  ],
  "again-ear": [
    `(last.ear === ear || last.ear.via === undefined && ear.via !== undefined) &&
      (last`,
    `(last`,
    "what a private socket heard of another subnet is heard by the shared one"
  ],
  "again-local": [
    ` &&
      (last.localAt === this.#sockets.changes || this.#isAsLocal(last))`,
    ``,
    "who is on this machine is judged by the addresses that it had"
  ],
  "subnet": [
    `if (subnet !== undefined && !sameSubnet(subnet.address, source.host, subnet.prefixLength)) {`,
    `if (false) {`,
    "a node that is bound to one interface hears the others"
  ]
})

const freshness = of("adverts", "packages/core/src/internal/discovery/freshness.ts", adverts, {
  "again": [
    `if (last.has(mac)) return false`,
    ``,
    "a recorded advert is a sign of life"
  ],
  "again-forgotten": [
    `oldest = Math.max(oldest, Math.min(timestamp, ...others.map((other) => other.timestamp)) + 1)`,
    `others.shift()`,
    "of many adverts a recorded one is a sign of life"
  ],
  "again-host": [
    "return `${publicKey} ${host}`",
    "return publicKey + host.slice(host.length)",
    "who dates adverts of another's key ahead silences it"
  ],
  "again-bound": [`if (others.length >= seenPerKey) {`, `if (false) {`, "every advert of a minute is remembered"],
  "older": [`if (timestamp < last.timestamp || last.left`, `if (last.left`, "an older advert overrides a newer one"],
  "left": [
    `|| last.left && timestamp === last.timestamp) return false`,
    `) return false`,
    "a recorded advert of the second in which a peer left brings it back"
  ],
  "ahead": [
    `const oldest = Math.min(timestamp, now)`,
    `const oldest = timestamp`,
    "an advert from a clock ahead locks out the later ones"
  ],
  "window": [
    `|| Math.abs(now - last.timestamp) > timeToLive) {`,
    `) {`,
    "a clock that was set back locks its own peers out"
  ],
  "stamps": [
    `remember(this.#stamps, place, new Stamps(mac, timestamp, oldest, port === 0), this.#capacity)`,
    `this.#stamps.set(place, new Stamps(mac, timestamp, oldest, port === 0))`,
    "a time is remembered for every key that was ever heard"
  ]
})

const answers = of("adverts", "packages/core/src/internal/discovery/answers.ts", adverts, {
  "rate": [
    `return this.#bySource.take(host, now) && this.#all.take(now)`,
    `return this.#bySource.take(host, now)`,
    "many sources make a node answer without end"
  ],
  "rate-source": [
    `return this.#bySource.take(host, now) && this.#all.take(now)`,
    `return this.#all.take(now)`,
    "one source gets all the answers"
  ]
})

const sockets = of("adverts", "packages/core/src/internal/discovery/sockets.ts", adverts, {
  "local-opened": [
    `this.#all.set(target.address, one)
        this.#changes++`,
    `this.#all.set(target.address, one)`,
    "an address that this machine has got is another machine's as long as nothing new is said there"
  ],
  "one-socket": [
    `if (port === this.#parts.config.advertisePort || port === 0 || host === "255.255.255.255") return false`,
    ``,
    "an answer is sent to all nodes of a network"
  ],
  "broadcast": [
    `return !this.isBroadcast(host)`,
    `return true`,
    "an answer is broadcast, because a datagram claims to come from there"
  ]
})

const telling = of("adverts", "packages/core/src/internal/discovery/telling.ts", adverts, {
  "leaving": [
    `this.#port = undefined
      return this.#rounds`,
    `return this.#rounds`,
    "a node that has left goes on answering"
  ],
  "leaving-copies": [
    `const leavingCopies = 4`,
    `const leavingCopies = 1`,
    "one lost datagram makes a node that left a silent one"
  ],
  "next-second": [
    `...this.#encrypted ? [nextSecond] : []`,
    ``,
    "a node that starts in the second in which it left is not heard",
    { tests: ["Presence.sim"] }
  ]
})

const readOnce = of("read-once", "packages/core/src/internal/wire/readOnce.ts", suites("readOnce"), {
  "bytes": [
    `equal(bytes, last.bytes)`,
    `bytes.length === last.bytes.length`,
    "one datagram is taken for another as long"
  ],
  "copy": [
    `const copy = new Uint8Array(bytes)`,
    `const copy = bytes`,
    "what has been read changes with the memory that it came in"
  ],
  "network": [`last.expected.networkId === expected.networkId && `, ``, "a node takes what is of another network"],
  "forgets": [
    `if (packet === lastOf) return`,
    `if (lastOf !== undefined) return`,
    "a packet is taken to say what another one says"
  ],
  "keyed": [
    `if (self.cipher.encrypted) return AdvertExchange.read(self, packet, said, opened)`,
    ``,
    "a node with a network key takes an advert in clear"
  ]
})

const sameAdvert = of("adverts", "packages/core/src/internal/wire/sameAdvert.ts", adverts, {
  "same-name": [
    `let end = textAt(bytes, at, name)`,
    `let end = at + utf8(name).length`,
    "an advert with another name is taken for the last one"
  ],
  "same-port": [
    `textAt(bytes, end + 1, String(port))`,
    `bytes.indexOf(0x7c, end) < 0 ? bytes.length : bytes.indexOf(0x7c, end)`,
    "an advert with another port is taken for the last one"
  ],
  "same-key": [
    `end = textAt(bytes, end + 1, said.publicKey)`,
    `end += 1 + said.publicKey.length`,
    "an advert of another key is taken for the last one"
  ],
  "same-network": [
    `let end = encodedAt(bytes, 0, head)`,
    `let end = head.length`,
    "an advert of another network is taken for the last one"
  ],
  "same-end": [
    `said.publicKey)
  return end >= 0 && textAt(bytes, end, "|END\\n") === bytes.length`,
    `said.publicKey)
  return end >= 0`,
    "a packet without its end is taken for the last advert"
  ]
})

const lastHeard = of(
  "adverts",
  "packages/core/src/internal/discovery/lastHeard.ts",
  suites("Discovery.udp", "Taking.udp", "Limits.sim", "lastHeard"),
  {
    "last-bound": [
      `if (this.#size > this.#capacity) this.#forget()`,
      ``,
      "every source that ever said something is remembered"
    ],
    "last-port": [
      `there?.source.port === port ? there`,
      `there !== undefined ? there`,
      "of two nodes of a host one is taken for the other"
    ],
    "last-near": [
      `if (this.#near[number] === heard) this.#near[number] = undefined`,
      ``,
      "what was forgotten is found by the shorter way"
    ]
  }
)

const sources = of("adverts", "packages/core/src/internal/discovery/sources.ts", suites("lastHeard"), {
  "source-number": [
    `return found !== undefined && found.source === last ? found : undefined`,
    `return found`,
    "of two sources that have one number one is taken for the other"
  ]
})

const entry = of("peers", "packages/core/src/internal/peers/entry.ts", suites("Peers", "Limits.sim"), {
  "standing": [
    `[sighting, ...this.#standing.filter(({ via }) => via !== sighting.via)]`,
    `[sighting]`,
    "of two ways that know a peer to be there one counts alone"
  ],
  "there-until": [`if (at > until) until = at`, ``, "what a discovery keeps is silent"],
  "said-changed": [
    `change(change: Partial<Peers.Peer>): void {
    this.touch()`,
    `change(change: Partial<Peers.Peer>): void {`,
    "an advert that brings back an address that was taken back says nothing new"
  ],
  "said-at": [
    `for (const one of this.names) one.at = this.#saidAt`,
    ``,
    "a name that is said again and again was said long ago"
  ]
})

const inbox = of("peers", "packages/core/src/internal/peers/inbox.ts", suites("Inbox", "Peers", "Limits.sim"), {
  "inbox-order": [
    `if (this.#busy) {`,
    `if (false) {`,
    "an advert overtakes one that a policy is not done with"
  ],
  "inbox-bound": [
    `if (waiting.length > this.#capacity) waiting.shift()`,
    ``,
    "adverts pile up while a policy decides"
  ],
  "inbox-throws": [
    `return this.#failed(Cause.die(defect))`,
    `throw defect`,
    "a node is deaf after one advert of which taking it throws"
  ]
})

const sightings = of("peers", "packages/core/src/internal/peers/sightings.ts", suites("Peers", "Limits.sim"), {
  "own-key": [
    `if (publicKey === own) return this.#conflicts.tell(this.#ownName, own, sighting, "OwnKey")`,
    ``,
    "a node takes whoever has its key for a peer"
  ],
  "own-name": [
    `if (name === this.#ownName) return this.#conflicts.tell(name, own, sighting, "OwnName")`,
    ``,
    "a node takes whoever has its name for a peer"
  ],
  "key-changed": [
    `return this.#conflicts.tell(name, expected, sighting, "KeyChanged")`,
    `void this.#conflicts.tell(name, expected, sighting, "KeyChanged")`,
    "an advert takes a name that belongs to another key"
  ]
})

const table = of("peers", "packages/core/src/internal/peers/table.ts", suites("Peers", "Limits.sim"), {
  "place": [
    `last.index = entry.index`,
    ``,
    "peers cannot be drawn any more when others have left",
    { tests: ["Asked"] }
  ],
  "unproved": [
    `return this.#unproved.size >= this.#bounds.unprovedPeers ? this.#unproved.values().next().value : undefined`,
    `return undefined`,
    "adverts fill the table without end"
  ],
  "gone": [
    `remember(this.#gone, publicKey, true, this.#bounds.unprovedPeers)`,
    `this.#gone.set(publicKey, true)`,
    "every key that was ever there is remembered"
  ]
})

const addresses = of("peers", "packages/core/src/internal/peers/addresses.ts", suites("Peers", "Limits.sim"), {
  "addresses": [
    `if (addresses.length <= this.#capacity) return`,
    `return`,
    "a peer gets as many addresses as adverts give it"
  ],
  "addresses-proved": [
    `proved ? failed ? 0 : -1 : 2 * share.get(host)! + (failed ? 1 : 0)`,
    `2 * (share.get(host) ?? 0) + (failed ? 1 : 0)`,
    "forged adverts push out the address at which a peer proved itself"
  ],
  "addresses-share": [
    `2 * share.get(host)! + (failed ? 1 : 0)`,
    `(failed ? 1 : 0)`,
    "forged adverts of one host push out the address that a peer says of itself"
  ],
  "addresses-room": [
    `if (other.proved && --room < 0) other.proved = false`,
    ``,
    "a peer that moved is not found: no place is left for its adverts"
  ]
})

const membership = of("peers", "packages/core/src/internal/peers/membership.ts", suites("Peers", "Limits.sim"), {
  "held": [
    `if (!this.#holds.isHeld(entry.peer.publicKey)) return this.left(entry, "SaidSo")`,
    `return this.left(entry, "SaidSo")`,
    "a forged leaving takes a peer with an open session off the table"
  ],
  "traffic": [
    `if (reason !== "Traffic") this.#holds.stays(entry.peer.publicKey)`,
    `this.#holds.stays(entry.peer.publicKey)`,
    "what was sent before a leaving takes it back"
  ],
  "conflict-lost": [
    `if (other === undefined) return this.lose(entry, "Conflict")`,
    `if (other === undefined) return`,
    "whoever lost a name stays under it"
  ],
  "suspect-gone": [
    `suspect(entry: Entry, silentMillis: number): void {
    if (!this.#isThere(entry)) return`,
    `suspect(entry: Entry, silentMillis: number): void {`,
    "who was taken off by the reader of an event is there again for ever, as a suspect"
  ],
  "anew-held": [
    `if (entry.broken || !isHeld && place !== "New") this.#anew(entry)`,
    `if (entry.broken || place !== "New") this.#anew(entry)`,
    "made-up adverts of a peer whose connection stands have what has ended run again"
  ],
  "anew-doubted": [
    `if (entry.doubted) this.#anew(entry)
    else entry.broken = true`,
    `entry.broken = true`,
    "who is back before its old connection is found out is not started anew"
  ],
  "anew-often": [
    `|| now - (entry.anewAt ?? -Infinity) < this.#interval`,
    ``,
    "made-up adverts have what has ended run again as often as they come"
  ],
  "moved-gone": [
    `moved(entry: Entry): void {
    if (!this.#isThere(entry)) return`,
    `moved(entry: Entry): void {`,
    "who was taken off in the middle of its advert is there again for ever"
  ]
})

const listed = suites("Listed.sim")

const questions = [
  ...of("listed", "packages/core/src/internal/discovery/questions.ts", listed, {
    "most": [
      ` || last.passedOver >= mostPassedOver`,
      ``,
      "who took a place over is not found while the other one is heard"
    ],
    "since": [`|| heard <= last.since`, ``, "who was heard once is not asked for three intervals"],
    "news": [
      `    last.since = nowUnsafe(this.#parts.clock)
`,
      ``,
      "what was heard once is a sign of life in each interval"
    ],
    "own": [`nowUnsafe(clock) + ownAnswer`, `nowUnsafe(clock)`, "an answer is taken for another sign of life"],
    "failed": [
      `    this.#answers.delete(place)
`,
      ``,
      "who does not answer and is heard is asked as seldom as who does"
    ],
    "gone": [
      `for (const known of [this.#failures, this.#answers])`,
      `for (const known of [this.#failures])`,
      "places that are not listed are kept"
    ]
  }),
  ...of("listed", "packages/core/src/internal/peers/entry.ts", suites("Peers"), {
    "where": [
      `endpoints.some((one) => sameEndpoint(one, endpoint)) ?`,
      `endpoints.length > 0 ?`,
      "who is heard from somewhere else is not asked where it is listed"
    ],
    "online": [`return status === "Online" && `, `return `, "who is in doubt is not asked"]
  }),
  ...of("listed", "packages/core/src/internal/discovery/staticDiscovery.ts", listed, {
    "attend": [`questions.heardAt = heardAt`, ``, "who is heard anyhow is asked in each interval"]
  })
]

const bonds = of("peers", "packages/core/src/internal/peers/bonds.ts", suites("Peers"), {
  "bonds-dial": [
    `? kind === "Refused" ? "Refused"`,
    `? kind === "Refused" ? undefined`,
    "whileOnline fails with a DialError between the death of its peer and its loss"
  ],
  "bonds-unfit": [
    `if (peer !== undefined && !fits(peer)) Deferred.doneUnsafe(unfit, Effect.void)`,
    ``,
    "what runs for a role goes on with who does not hold it any more"
  ]
})

const holds = of("peers", "packages/core/src/internal/peers/peerTable.ts", suites("Peers", "Limits.sim"), {
  "left": [
    `if (leaves) membership.left(entry, "ConnectionsEnded")`,
    `if (leaves) {}`,
    "who has left stays in the table until its silence is noticed"
  ]
})

const arrivals = of("peers", "packages/core/src/internal/peers/arrivals.ts", suites("Ways.sim"), {
  "arrival": [
    `if (table.find(publicKey) !== undefined || !table.hasRoomForProved || !conflicts.mayProve(name, publicKey)) return`,
    `return`,
    "who made a session and has no address is nobody"
  ],
  "departure": [
    `if (entry?.addresses.isEmpty === true && !holds.isHeld(publicKey)) membership`,
    `if (false) membership`,
    "who has no address stays when its session has ended"
  ]
})

const liveness = of("peers", "packages/core/src/internal/peers/liveness.ts", suites("Peers", "Limits.sim"), {
  "next-look": [
    `next = Math.min(next, Math.max(at, due))`,
    ``,
    "silence is noticed as late as the last one who was heard would be missed"
  ],
  "look-at-few": [
    ` || few.size > table.size / manyMore`,
    ` || few.size > 0`,
    "all of many are looked at again and again while one is silent"
  ],
  "pardon": [
    `if (pardon > 0) entry.heardAt = Math.min(at, entry.heardAt + pardon)`,
    ``,
    "time in which this process was frozen is a peer's silence"
  ],
  "probe-name": [
    `(entry.fixed === undefined || advert.name === entry.peer.name)`,
    `true`,
    "one that has another name now keeps the one that it proved alive"
  ],
  "probe-key": [
    `publicKey === entry.peer.publicKey && (entry.fixed`,
    `(entry.fixed`,
    "another node at its address keeps a peer alive"
  ],
  "probe-busy": [
    `if (verdict === "Busy" && self.cipher.encrypted) return`,
    ``,
    "an err in clear keeps a peer alive that has lost the network key"
  ],
  "probes": [
    `this.#probing(entry)).pipe(Effect.scoped, this.#room.withPermit)`,
    `this.#probing(entry)).pipe(Effect.scoped)`,
    "a network that falls silent is asked all at once"
  ]
})

const conflicts = of("peers", "packages/core/src/internal/peers/conflicts.ts", suites("Peers", "Limits.sim"), {
  "claims": [
    `remember(keys, publicKey, { sighting, at: now() }, claimsPerName)`,
    `keys.set(publicKey, { sighting, at: now() })`,
    "a contested name remembers every key that claims it"
  ],
  "proved-own-name": [
    `publicKey !== own && name !== ownName && `,
    `publicKey !== own && `,
    "whoever proves a key under this node's name is a peer by it"
  ],
  "proved-decided-name": [
    ` && (this.#decided?.get(name) ?? publicKey) === publicKey`,
    ``,
    "a name that the operator decided is whoever's proves a key under it"
  ]
})

const exchange = of(
  "advert-exchange",
  "packages/core/src/internal/wire/advertExchange.ts",
  suites("Security.sim", "Peers", "Connections.sim"),
  {
    "keyless": [
      `if (decoded.publicKey === null) return Result.fail(ProtocolError.local("ERR_PUBLIC_KEY"))`,
      ``,
      "an advert comes without a key",
      { tests: ["networkCipher"] }
    ]
  }
)

const seldom = of("seldom", "packages/core/src/internal/base/seldom.ts", suites("rate", "Peers"), {
  "same": [
    `if (last !== undefined && now - last < everyMillis) return undefined`,
    ``,
    "the same warning is written for every advert"
  ],
  "rate": [`if (!kind.rate.take(now)) {`, `if (false) {`, "made-up names write as many lines as they are"],
  "subjects": [`if (written.size > subjects) {`, `if (false) {`, "every name that was warned of is remembered"]
})

const acceptor = of(
  "acceptor",
  "packages/core/src/internal/connect/acceptor.ts",
  suites("Connections.sim", "BasicNode.sim", "Security.sim", "Limits.sim"),
  {
    "err-first": [
      `if (PacketStream.saysErr(bytes)) return`,
      ``,
      "an err of another network is answered",
      { tests: ["Connections.sim"] }
    ],
    "own-key": [
      `if (publicKey === null || publicKey === self.identity.publicKey) {`,
      `if (publicKey === null) {`,
      "a message comes under the receiver's own key",
      { tests: ["vectors"] }
    ],
    "pending": [
      `if (this.#pending >= limits.pendingConnections) return "connections"`,
      ``,
      "strangers hold as many connections as they like"
    ],
    "pending-address": [
      `if ((this.#byAddress.get(address) ?? 0) >= limits.pendingPerAddress) return "connections from there"`,
      ``,
      "one address holds all connections that have proved nothing"
    ],
    "refusals": [`if (this.#refusing >= limits.refusals) {`, `if (false) {`, "saying that there is no room has no end"],
    "first-packet": [
      `stream.read(limits.firstPacketTimeout).pipe(`,
      `stream.read(limits.rawIdleTimeout).pipe(`,
      "a connection that says nothing is held for a minute"
    ],
    "second-advert": [
      `expected = ["msg", "err"]
        continue`,
      `continue`,
      "one connection is asked for adverts without end"
    ],
    "err": [
      `if (packet.type === "err") return
`,
      ``,
      "an err is answered, and two nodes refuse each other for ever"
    ]
  }
)

const rawServer = of(
  "raw-server",
  "packages/core/src/internal/raw/rawServer.ts",
  suites("WhoIsWho.sim", "Security.sim", "BasicNode.sim", "Connections.sim"),
  {
    "err-later": [
      `return PacketStream.saysErr(bytes) ? undefined :`,
      `return`,
      "an err of another network behind a message is answered",
      { tests: ["Connections.sim"] }
    ],
    "time": [`if (untimely !== undefined) return yield* refused(untimely)`, ``, "a message of any time is handled"],
    "trust": [
      `refused(ProtocolError.local("ERR_UNTRUSTED"))
          )`,
      `Effect.void
          )`,
      "a message of one who is not trusted is handled"
    ],
    "replay": [
      `if (replayed !== undefined) return yield* refused(replayed)`,
      ``,
      "a message is handled as often as it is sent"
    ],
    "key": [
      `if (decoded.success.publicKey !== first.publicKey) {`,
      `if (false) {`,
      "one connection speaks for several keys"
    ],
    "connections": [
      `if (this.#connections >= limits.rawConnections) {`,
      `if (false) {`,
      "there are as many RAW connections as are opened"
    ],
    "limit": [
      `return payload.length > this.#limit
      ? Effect.andThen(`,
      `return false
      ? Effect.andThen(`,
      "an answer over the limit is sent, which its receiver cannot read"
    ],
    "full": [`if (out.full()) yield* out.room`, ``, "answers that nobody reads are held without end"],
    "unread": [
      `Effect.raceFirst(unread)
      )
    }).pipe(Effect.scoped)`,
      `
      )
    }).pipe(Effect.scoped)`,
      "an asker that reads no answers is served for ever"
    ]
  }
)

const asking = suites(
  "WhoIsWho.sim",
  "Security.sim",
  "BasicNode.sim",
  "Connections.sim",
  "SendTimeout.sim",
  "Trust.sim",
  "RealNetworks.sim"
)

const rawMessages = of("raw-client", "packages/core/src/internal/raw/messages.ts", asking, {
  "key": [`if (packet.publicKey !== publicKey) {`, `if (false) {`, "an answer comes under another key"],
  "stamp": [
    `return exchange === undefined || exchange.stamp !== opened.success.stamp`,
    `return exchange === undefined`,
    "an answer to an earlier message is taken for this one's"
  ],
  "stamps": [
    `Math.max(stamp, this.#lastStamp + 1)`,
    `stamp`,
    "two messages of one microsecond have one stamp, and one is refused"
  ],
  "set-back": [
    `this.#lastStamp = this.#lastStamp - stamp > Raw.replayWindow ? stamp :`,
    `this.#lastStamp =`,
    "after its clock was set back a node is refused until that time comes again"
  ],
  "kept-stamp": [
    `exchange.stamp ??= this.#nextStamp()`,
    `exchange.stamp = this.#nextStamp()`,
    "a message that is sent again runs again"
  ]
})

const rawConversation = of("raw-client", "packages/core/src/internal/raw/conversation.ts", asking, {
  "name": [
    `const isOther = name !== exchange.name`,
    `const isOther = false`,
    "a peer answers under another name than the one that was asked"
  ],
  "name-line": [
    `if (proof.name !== undefined && proof.name !== name) {`,
    `if (false) {`,
    "a key answers under two names over one connection"
  ],
  "name-pinned": [
    `isOther ? trust.check(name, publicKey) : trust.proved(name, publicKey)`,
    `trust.proved(name, publicKey)`,
    "a name that nobody asked for is pinned"
  ],
  "trusted": [
    `if (Result.isFailure(trusted)) {`,
    `if (false) {`,
    "an answer of one who is not trusted is taken"
  ]
})

const rawChannel = of("raw-client", "packages/core/src/internal/raw/channel.ts", asking, {
  "refused-oldest": [
    `const oldest = sent.shift() ?? this.queued.shift()`,
    `const oldest = sent.pop() ?? this.queued.shift()`,
    "an err ends another message than the oldest"
  ],
  "twice": [
    `const twice = ending.error.code === "ERR_REPLAY" && refused.again`,
    `const twice = false`,
    "a message that may have been handled is said not to have been"
  ]
})

const rawClient = of("raw-client", "packages/core/src/internal/raw/rawClient.ts", asking, {
  "connections": [
    `if (this.#channels.size < limits.dialledConnections) return undefined`,
    `return undefined`,
    "there are as many connections as peers that are asked"
  ],
  "pending": [
    `if (channel.size < limits.pendingSends) return undefined`,
    `return undefined`,
    "messages that wait are held without end"
  ]
})

const optionSuites = suites("NodeOptions")

const options = of("options", "packages/core/src/NodeOptions.ts", optionSuites, {
  "credit-least": [
    `    1_048_576
  ),
  streamCredit`,
    `    1
  ),
  streamCredit`,
    "a node starts whose limits leave no peer room for a stream"
  ],
  "excess": [
    `onExcessProperty: "error" })`,
    `onExcessProperty: "ignore" })`,
    "an option that is misspelt is left out without a word"
  ],
  "keys-two": [
    `networkKey === undefined || networkKeys === undefined ||
    {`,
    `true ||
    {`,
    "of two lists of keys one is left out without a word"
  ]
})

const keyInput = of("options", "packages/core/src/internal/values/keyInput.ts", optionSuites, {
  "keys-empty": [
    `if (list.length < 1 || list.length > NetworkKeys.maxKeys) {`,
    `if (list.length > NetworkKeys.maxKeys) {`,
    "an empty list of keys starts a network in clear"
  ]
})

const quote = of("quote", "packages/core/src/internal/base/quote.ts", suites("errors", "Security.sim"), {
  "escaped": [`text.replace(acted, escaped)`, `text`, "a peer's text acts on the operator's terminal"]
})

export const peersList = [
  ...trust,
  ...allowList,
  ...trustFile,
  ...replaceFile,
  ...trustText,
  ...lockFile,
  ...identityFile,
  ...hearing,
  ...freshness,
  ...answers,
  ...sockets,
  ...telling,
  ...readOnce,
  ...sameAdvert,
  ...lastHeard,
  ...sources,
  ...entry,
  ...inbox,
  ...sightings,
  ...table,
  ...addresses,
  ...membership,
  ...questions,
  ...bonds,
  ...holds,
  ...arrivals,
  ...liveness,
  ...conflicts,
  ...exchange,
  ...seldom,
  ...acceptor,
  ...rawServer,
  ...rawMessages,
  ...rawConversation,
  ...rawChannel,
  ...rawClient,
  ...options,
  ...keyInput,
  ...quote
]
