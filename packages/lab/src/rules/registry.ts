/**
 * The rules of `docs/protocol.md` that tests show: by the file of the test in `packages/`, and its title there. What vectors are about, and
 * what the conformance kit looks for, is noted with them. `lab/test/rules.test.ts` says which rule has nothing of all that.
 */

/** Rules by the title of the test that shows them. A place of a title that is filled in is an ellipsis. */
type Titles = Readonly<Record<string, ReadonlyArray<string>>>

const packets: Readonly<Record<string, Titles>> = {
  "core/test/values/Framer.test.ts": {
    "gives the same however the stream is cut": ["packet-stream"],
    "stays too large, and drops what still comes": ["packet-length-closes"]
  },
  "core/test/values/PublicKey.test.ts": {
    "sorts as bytes, and not as text": ["key-compared"]
  },
  "core/test/values/ProtocolError.test.ts": {
    "has the codes of the protocol, and no others": ["err-codes"]
  },
  "core/test/wire/packetStream.test.ts": {
    "reads and drops what still comes, and no more of it than a mebibyte": ["err-drain"]
  },
  "core/test/connect/Connections.sim.test.ts": {
    "an advert asks once on a connection, and an err that opens one ends it without a word": ["err-unanswered"],
    "refusals: so many are told ERR_BUSY at once, and those beyond are closed without a word": ["err-busy"]
  },
  "core/test/nodes/Rules.sim.test.ts": {
    "has the network of its sender, and no key where the handshake says who the other is or where it is": [
      "err-network",
      "handshake-err-key"
    ],
    "of RAW closes without a word where it is wrong": ["order-reader-silent"]
  },
  "core/test/session/Sessions.sim.test.ts": {
    "by an err in clear, which may be anybody's, puts the next dial off by one wait and no longer": [
      "err-proves-nothing"
    ]
  },
  "testing/src/NodeSuite.ts": {
    "what is wrong with a packet is answered with its code": ["err-last", "err-key", "order-first"],
    "connections that prove nothing are bounded, one address takes its share only, and the node goes on": ["err-busy"]
  }
}

const networkKey: Readonly<Record<string, Titles>> = {
  "core/test/discovery/Discovery.udp.test.ts": {
    "with a network key: of each key an older advert than the newest is dropped, and after leaving only a later one counts":
      [
        "token-advert-time",
        "token-advert-leaving"
      ],
    "with a network key: a recorded advert is dropped, also within its second, and however many there are": [
      "token-once"
    ]
  },
  "core/test/nodes/Rules.sim.test.ts": {
    "has no tokens on a network with a key": ["token-outside-sessions"]
  },
  "core/test/session/Session.wire.test.ts": {
    "with a network key nothing is multiplied before a token has verified": ["token-before-product"]
  }
}

const raw: Readonly<Record<string, Titles>> = {
  "core/test/values/Raw.test.ts": {
    "draws its nonce": ["raw-nonce"],
    "has a largest payload, whose packet fits and after which one does not": ["raw-size-labels"]
  },
  "core/test/connect/Connections.sim.test.ts": {
    "are shared by all messages to a peer, one after another and at once, and are one for each direction": [
      "raw-one-connection"
    ],
    "a RAW connection speaks for the key of its first message and no other": ["raw-connection"],
    "are closed by whoever accepted after 60 s without use, and messages do not notice": ["raw-idle"],
    "rawConnections: one more is answered ERR_BUSY, which the asker tries again until there is room": ["raw-room"]
  },
  "core/test/nodes/Limits.sim.test.ts": {
    "replayEntries: strangers share half of the table, one more is answered ERR_BUSY, and who is known is served": [
      "raw-stamp-room"
    ]
  },
  "core/test/nodes/Rules.sim.test.ts": {
    "frees the place of a connection that has proved nothing when its first request is admitted, not when it is answered":
      ["raw-proved"],
    "takes a payload of more than is sent, where its packet is one": ["raw-size-taken"],
    "has stamps that increase, also where the clock stands or is set back by less than a minute": ["raw-stamp-later"]
  },
  "core/test/peers/WhoIsWho.sim.test.ts": {
    "is refused under another name than the one that was asked for (…), and the table learns the name": [
      "raw-answer-name"
    ],
    "have one name: another ends it, and the table keeps the one that was proved": ["raw-answer-name"],
    "is handled once, however long that takes": ["raw-race"]
  },
  "core/test/raw/BasicNode.sim.test.ts": {
    "a forged err makes no message run twice": ["raw-err-oldest", "raw-resend"]
  },
  "testing/src/NodeSuite.ts": {
    "many at once are handled in order, over one connection, each with its own answer": [
      "raw-answers-in-order",
      "raw-serial"
    ],
    "a failing handler answers ERR_INTERNAL, and nobody else suffers": ["raw-internal"],
    "too large a message is refused before anything is sent, too large an answer where it is made": [
      "raw-size",
      "raw-answer-size"
    ],
    "a packet that stalls, and a connection that says nothing, are given up after five seconds": ["raw-time"],
    "an allow list admits only what it lists, on both sides": ["raw-trust", "raw-answer-checks"]
  }
}

const handshake: Readonly<Record<string, Titles>> = {
  "core/test/nodes/Limits.sim.test.ts": {
    "a recorded HELLO is answered ERR_HANDSHAKE on a network with a key, before any product, and takes nobody's handshake":
      ["handshake-fresh"],
    "handshakes: so many are begun in a second, one more is answered ERR_BUSY before any product, and sessions go on": [
      "handshake-room"
    ],
    "handshakesPerAddress: one address begins so many in a second, one more is answered ERR_BUSY before any product, and others go on":
      ["handshake-room"]
  },
  "core/test/nodes/Rules.sim.test.ts": {
    "takes a WELCOME from no other key, and closes without a word": ["handshake-client-key", "handshake-client-silent"]
  },
  "core/test/peers/Trust.sim.test.ts": {
    "a peer that is refused while its handshake goes on gets no session": ["handshake-initiate-trust"]
  },
  "core/test/session/Handshake.test.ts": {
    "metadata that lack a property, or have one twice, malformed or wrong": ["handshake-initiate-metadata"]
  },
  "core/test/session/Session.wire.test.ts": {
    "an untrusted peer that dials is refused before READY, one that was dialled is told after it": [
      "handshake-initiate-trust",
      "handshake-client-trust"
    ],
    "five seconds for each packet, whole": ["handshake-time", "err-unanswered"],
    "connections that prove nothing are bounded, in all and from one address": ["handshake-pending"],
    "what is not the next step of this handshake is ERR_HANDSHAKE, or what the protocol names": [
      "handshake-initiate-key",
      "handshake-for-good",
      "handshake-step"
    ],
    "sessions are bounded: the longest idle one makes room, and where none is idle the answer is ERR_BUSY": [
      "handshake-initiate-room",
      "session-room"
    ]
  },
  "core/test/session/Sessions.sim.test.ts": {
    "a pin is made by a completed handshake, and by nothing before": ["handshake-pin"]
  }
}

const sessions: Readonly<Record<string, Titles>> = {
  "core/test/connect/Ways.sim.test.ts": {
    "keep the session, so that the one that listens can call at any time": ["session-kept"]
  },
  "core/test/nodes/NetworkKeys.sim.test.ts": {
    "is out within an interval of … ms and the time of a dial, its sessions ended on both sides": [
      "session-network-key"
    ]
  },
  "core/test/nodes/Rules.sim.test.ts": {
    "is made anew at once by whoever opened it, where the other renews it while streams are open": [
      "session-renewal-streams"
    ]
  },
  "core/test/peers/Trust.sim.test.ts": {
    "ends the sessions of a peer that is taken off the allow list, whoever opened them, and lets it back in": [
      "session-policy"
    ]
  },
  "core/test/session/peerSessions.test.ts": {
    "go to the session that stays, which the smaller key opened, once it was heard since the newer one began": [
      "session-crossed"
    ],
    "go to the newest of several with one opener": ["session-newer"]
  },
  "core/test/session/Session.wire.test.ts": {
    "a peer that breaks a rule is told so, sealed, and what it had is over": [
      "session-violation",
      "session-text",
      "record-length",
      "frame-wrong",
      "goaway-final"
    ],
    "sessionsPerPeer: one more takes the place of one of the same key, idle or silent, and no place of others": [
      "session-per-key"
    ],
    "one that talks on, and never ends what drains, is given its time and no more": [
      "session-renewal-acceptor",
      "goaway-drain-time"
    ],
    "one that never reads is cut, whatever it sends": ["session-write"],
    "one that asks for more refusals than it reads is not read any more, and nothing piles up": ["frame-control-bound"]
  },
  "core/test/session/Sessions.sim.test.ts": {
    "dialled from both sides at once it settles to the smaller key's, …'s, and no stream fails": ["session-crossed"],
    "is closed by its opener when it was idle, and nothing of it is left": ["session-idle"],
    "is renewed by its opener before it is too old, and open streams go on": ["session-renewal"],
    "a peer that vanishes is dead after twice the silence, and its streams fail at once": [
      "session-silence",
      "session-lost"
    ],
    "of a peer's former life is asked for a sign of life, and has no new streams until it gives one": ["session-ghost"],
    "is not gone back to when the newer session ends: its peer is dialled": ["session-ghost-ends"]
  },
  "core/test/wire/RecordFramer.test.ts": {
    "a length of 0 and one over the limit are malformed, whole or in pieces, and nothing comes after": ["record-length"]
  }
}

const mux: Titles = {
  // Rows of its table of violations.
  "a message without a frame": ["frame-whole"],
  "trailing bytes": ["frame-whole"],
  "an unknown frame": ["frame-wrong"],
  "OPEN twice, or lower": ["stream-number-used"],
  "a malformed OPEN": ["frame-open"],
  "a deadline that is no integer": ["deadline-form"],
  "a stream that was never opened": ["stream-number-ahead"],
  "DATA after END": ["stream-after-end"],
  "END after END": ["stream-after-end"],
  "DATA beyond its credit": ["credit-exceeded", "credit-initial"],
  "CREDIT of 0": ["credit-range", "frame-credit"],
  "CREDIT beyond 2^32-1": ["credit-range"],
  "a malformed CREDIT": ["frame-credit"],
  "a malformed RESET": ["frame-reset"],
  "a malformed PING": ["frame-ping"],
  "a malformed PONG": ["frame-pong"],
  "a malformed GOAWAY": ["frame-goaway"],
  // Its other tests.
  "END from both sides closes it, and unread data is still there": ["stream-closed"],
  "a RESET after one's own END is legal, and so is one that crosses it": ["stream-closed"],
  "an acceptor that has ended stops its opener, also one that has said all it wanted and has no credit for it": [
    "stream-answered"
  ],
  "frames for a stream that is closed are dropped": ["stream-closed-dropped"],
  "the other side's codes that are not known read as internal, its typed error comes as it is": [
    "reset-internal",
    "reset-failed"
  ],
  "a RESET whose error does not fit in a message, or is no JSON, still tells its code": ["reset-fits"],
  "and what does not: gaps in numbers, empty DATA, unknown fields and protocols, the largest credit": [
    "stream-numbers",
    "frame-fields",
    "frame-data"
  ],
  "a last word says which streams came, and those that did not were refused and not run": ["goaway-last"],
  "a deadline comes with the stream, the longest as 2^31-1, and one that is over is reset unrun": [
    "deadline-passed",
    "deadline-form"
  ],
  "more streams than there may be are refused, and not opened by this side": ["stream-bound", "reset-refused"],
  "credit over the budget is refused, that of both sides counted, and that of the node as a whole": ["credit-bound"],
  "credit is granted as the data is read, not as it comes, and in halves": ["credit-granted"],
  "a PONG overtakes waiting data, and of several PINGs the last is answered": ["frame-pong-first"],
  "a PONG does not overtake what was opened before it": ["frame-pong-after-open"],
  "small frames travel together, chunks are cut at the chunk size, and a record is filled": ["frame-data-size"],
  "after GOAWAY this side opens no more; what crossed it is served until the other side knows": [
    "goaway-crossing",
    "goaway-drain"
  ]
}

const streams: Readonly<Record<string, Titles>> = {
  "core/test/session/Mux.test.ts": mux,
  "core/test/wire/openText.test.ts": {
    "is read as others write it, and unknown fields are ignored": ["frame-fields"],
    "takes a deadline that is beyond all timers as the longest there is": ["deadline-form"]
  },
  "core/test/session/Session.test.ts": {
    "half-closes behind its last word and drops what still comes, so that the word is not lost": ["goaway-half-close"],
    "has drained when the PING behind its GOAWAY is answered, and not by the answer to one before it": ["goaway-drain"]
  },
  "core/test/session/Session.wire.test.ts": {
    "one key has a quarter of all credit, however many sessions it makes, and others are served": ["credit-bound-peer"]
  },
  "core/test/session/Sessions.sim.test.ts": {
    "that drains is given its time, and no more": ["goaway-drain-time"],
    "a node that closes says so on every session, and leaves nothing behind": ["goaway-closing"],
    "is the last that was set, and again the one before it, whichever scope closes first; a line feed makes no name": [
      "reset-unsupported"
    ]
  },
  "core/test/nodes/Versions.sim.test.ts": {
    "has flags that are not known: GOAWAY protocol, and no other session is touched": ["session-flags"],
    "has protocols and names that are not known: unsupported and not_found, and it goes on": [
      "reset-unsupported",
      "reset-not-found"
    ],
    "has fields of JSON that are not known, in OPEN, RESET and GOAWAY: they are ignored": ["frame-fields"],
    "has codes that are not known: a RESET's is internal, a GOAWAY's is a last word": ["reset-internal", "goaway-final"]
  },
  "core/test/session/PeerSocket.sim.test.ts": {
    "carries bytes both ways, half-closes, and ends with code 1000": ["stream-socket"]
  },
  "core/test/nodes/Cost.sim.test.ts": {
    "counts from the OPEN, however slowly the question comes": ["deadline-counts"]
  },
  "core/test/nodes/Rules.sim.test.ts": {
    "takes more DATA in one frame than is sent, where its message is within the limit": ["frame-data-taken"],
    "that its peer drains is closed a minute after the peer should have": ["goaway-receiver", "goaway-drain-time"]
  },
  "core/test/nodes/Security.sim.test.ts": {
    "are escaped wherever they are logged or shown": ["frame-escape"],
    "in a RESET that is nested without end still resets": ["reset-fits"],
    "runs no more handlers than it may for all its peers together, and gives their places back": ["stream-handlers"]
  },
  "core/test/streams/Headers.sim.test.ts": {
    "are sent to none that does not say it reads them, which nothing runs for": ["open-headers-told"],
    "that a function does not take are a RESET that older nodes read as not_found, which nothing ran for": [
      "open-headers-invalid",
      "reset-invalid-arguments"
    ]
  },
  "testing/src/AdvancedSuite.ts": {
    "a slow reader stalls its own stream and no other, and its writer waits": ["credit-apart"],
    "interrupting the caller interrupts the function": ["stream-reset-interrupts", "reset-cancelled"],
    "a deadline ends the call on both sides, and one that is over is never run": ["deadline-opener", "reset-deadline"],
    "a peer that closes ends its streams with a typed error": ["reset-going-away"],
    "a function that is not there is not_found": ["reset-not-found", "command-not-found"]
  }
}

const certificates: Readonly<Record<string, Titles>> = {
  "core/test/values/Authority.test.ts": {
    "has one form: what its authority signed in another is none": [
      "certificate-form",
      "certificate-rights",
      "certificate-length"
    ],
    "says what was revoked, once each and in order, up to 4,096": ["revocations-length"],
    "of which any byte differs, or that is cut short or goes on, is none, or is not signed": ["certificate-signature"]
  },
  "core/test/peers/AuthorityTrust.test.ts": {
    "that is forged, cut short, extended, another's, or for elsewhere is refused, and leaves nothing behind": [
      "certificate-holds"
    ],
    "holds from 60 s before it begins until 60 s after it ends, to the millisecond": ["certificate-holds"],
    "gives way to a newer one of its key, and never to an older": ["certificate-newest"],
    "of a key that takes over a name takes it from the key before, and is not taken over by an older": [
      "certificate-name"
    ],
    "is newer than the one before, its authority's, and of this network, or changes nothing": ["revocations-newer"]
  },
  "core/test/session/AuthorityTrust.sim.test.ts": {
    "call each other by their certificates alone, and with the rights in them": [
      "metadata-credentials",
      "credentials-shown"
    ],
    "refuse who has no certificate, another's, one for another name or network, or of another authority": [
      "credentials-refused"
    ],
    "learn of a renewed certificate in the session that stands, which outlives the old one, and of its rights": [
      "credentials-pushed"
    ],
    "that is given to one node reaches all that it has sessions with, through them all others, and newcomers": [
      "revocations-asked"
    ],
    "lists that a peer says it has and has not are asked for seldom, one at a time, and cost no session": [
      "credentials-unknown"
    ]
  }
}

const commands: Readonly<Record<string, Titles>> = {
  "core/test/call/Allow.sim.test.ts": {
    "a RESET that a peer may not call is what older nodes read as not_found, which nothing ran for": [
      "reset-not-allowed"
    ],
    "an answer that a peer may not call is what older nodes read as unknown_function": ["command-code-not-allowed"]
  },
  "testing/src/AdvancedSuite.ts": {
    "a function answers with bytes, text, nothing, a stream, or an effect of these": ["command-stream"],
    "a large stream comes whole and in order, both ways at once": ["command-directions"],
    "a typed failure reaches the caller with its fields, a defect as internal": ["command-failed", "command-internal"]
  },
  "core/test/call/CommandNode.sim.test.ts": {
    "has get_funcs, get_peers and describe built in, and no other may take their names": [
      "command-get-funcs",
      "command-get-peers",
      "command-describe"
    ],
    "an undeclared failure arrives as its tag and message, a defect as nothing but itself": [
      "command-code-failed",
      "command-code-internal"
    ],
    "what is not JSON fails on the side that made it, with the path, and nothing is sent": ["command-code-not-json"],
    "an argument that is undefined is so at the function, whose defaults apply, and null to a Schema": [
      "command-absent"
    ],
    "calls beyond the limits are refused, and neighbours go on": ["command-size", "command-code-too-large"],
    "what is no call is answered, and harms nobody": [
      "command-code-invalid-arguments",
      "command-fields-unknown",
      "command-fields-null",
      "command-finite",
      "command-many-args"
    ],
    "a document has 514 levels at most: an argument 512, a result 513": ["command-levels"]
  },
  "core/test/nodes/Limits.sim.test.ts": {
    "callMemory: large calls of one peer have a quarter of it, one more is refused, and others are served": [
      "command-room"
    ]
  },
  "core/test/nodes/Rules.sim.test.ts": {
    "leaves undefined out of objects, and has null for it in arrays and as a result": ["command-nothing"],
    "that is an error without a code is one that failed, and one of a code that is not known is one that broke": [
      "command-no-code",
      "command-code-internal"
    ]
  }
}

const discovery: Readonly<Record<string, Titles>> = {
  "core/test/discovery/Crowd.udp.test.ts": {
    "begins where adverts every interval would be more than the budget: 100 nodes with the usual options are none": [
      "crowd-interval"
    ],
    "of few nodes is none: each says what it always said, and asks all thrice when it starts, and newcomers are answered by all":
      [
        "crowd-interval"
      ],
    "answers a newcomer with sixteen on average, who ask it with that, and nobody broadcasts for it": ["crowd-answer"],
    "says eight times that a node leaves": ["crowd-leaving"],
    "is answered with an advert, to the socket it came from, and is its sender's sign of life": [
      "crowd-who",
      "crowd-who-answer"
    ],
    "is answered at most five times a second to one socket, 32 times in all, and never to the shared port or a broadcast address":
      ["crowd-who-answer"],
    "is answered as one with a request where it is broadcast, since all hear it: five times a second to one source, whatever the socket":
      ["crowd-who-answer"],
    "is asked of one socket of one node alone: not of a broadcast address, the shared port, or port 0, whoever said to be there":
      ["crowd-who"],
    "of more nodes than are answered in a second has it broadcast its advert, twice, at most every two seconds, however much is said":
      ["crowd-who-answer"],
    "that asks all is answered by those it does not know, of the slice it names, and later the more there are": [
      "crowd-request-answer"
    ],
    "to all is asked by a newcomer, again until it knows all: until three rounds brought nobody, by requests in slices of those that it knows meanwhile":
      [
        "crowd-newcomer"
      ],
    "to all is asked by a newcomer that is asked later, when of few it had asked enough, and not by one that is none any more":
      [
        "crowd-newcomer"
      ],
    "names who is in doubt, twice, unless it is not in doubt any more, or others name it": [
      "crowd-ask",
      "crowd-ask-twice"
    ],
    "that asks all, again and again, has all of them together answer one address 500 times a second, and all addresses 10,000 times":
      ["crowd-request-share"],
    "says where its sender is to be asked of nobody that is known already": ["crowd-place"],
    "waits while others ask as often as the budget says": ["crowd-ask-rate"],
    "is refuted by who is named, twice, at most every two seconds; and not while so much is said already": [
      "crowd-refute"
    ],
    "is dropped and counted, and leads to nothing": ["crowd-malformed"]
  },
  "core/test/peers/Quiet.sim.test.ts": {
    "know all, though each node answers five of them in a second": ["crowd-newcomer"],
    "asks all that it does not know: it knows at once who cannot broadcast, though answers of that one are lost": [
      "crowd-newcomer"
    ],
    "for it had no interface as it started, asks when one comes": ["crowd-newcomer"],
    "for it left within this second, on a network with a key, asks in the next one": ["crowd-newcomer"],
    "for its broadcasts are forbidden, is asked by datagrams: nobody suspects it, or connects for that, and its crash is noticed as any":
      [
        "table-quiet"
      ],
    "and came just after its peers were looked at has time for its second question as any": ["table-quiet"],
    "and knows no question by datagram is asked by a connection as before, and is not lost": ["table-quiet"],
    "but was made up at the address of another has each node ask there 16 times a second at most, however many are made up":
      [
        "table-quiet"
      ]
  },
  "core/test/peers/Crowd.sim.test.ts": {
    "of which most leave at once loses none of the others: who was silent for long by then has time to answer, where packets are lost":
      ["table-lost"],
    "of several versions gets along: nodes that broadcast always, and are never asked, are known and missed as the others":
      ["crowd-ask-peers"],
    "who names those that do not say that they are there makes each node ask at most limits.doubts of them a second": [
      "crowd-doubt"
    ]
  },
  "core/test/connect/Transport.test.ts": {
    "TCP dials no derived address, however it is written, and everything else": ["derived-dialled"]
  },
  "core/test/discovery/Discovery.udp.test.ts": {
    "go out in a burst at 0, 100 and 300 ms, then every interval, give or take a tenth": ["udp-when"],
    "go to the directed broadcast address of every interface that is up and not loopback, with its address as host": [
      "udp-broadcast"
    ],
    "bound to one address are heard and hear there alone, on the interface's broadcast address": ["udp-bound"],
    "bound to loopback advertise to 127.255.255.255, to this machine alone": ["udp-bound"],
    "bound to every address hear every interface": ["udp-sockets"],
    "say four times that a node leaves, with port 0": ["udp-leaving"],
    "go from a private socket to the datagram's source, who does not answer them, and nothing is ever sent to the shared port by unicast":
      [
        "udp-no-unicast",
        "udp-sockets"
      ],
    "is dropped where an advert's host is not its source, unless the options say otherwise": ["udp-source"],
    "are not given to who leaves, to a broadcast address, or to the shared port": ["udp-answer-never"],
    "are at most ten in any second, whoever asks": ["udp-answer-rate"],
    "are at most five in any second to one source address": ["udp-answer-rate"],
    "is counted by what is wrong with it, and never answered": ["packet-datagram-bad"]
  },
  "core/test/peers/Presence.sim.test.ts": {
    "within the second in which it left, on a network with a key, is back in the next": ["udp-burst-keyed"]
  },
  "testing/src/DiscoverySuite.ts": {
    "who listens nowhere sights others, and is sighted by nobody": ["advert-no-listener"],
    "a node does not sight itself": ["advert-own"]
  },
  "testing/src/NodeSuite.ts": {
    "a short client by hand: advert, message, answer": ["advert-by-tcp", "advert-by-tcp-table"]
  },
  "core/test/peers/Peers.test.ts": {
    "are answered where they are new, or their source or address is, and never when leaving": ["udp-answer"],
    "of a peer only so many addresses are kept, the newest first while it is unproved": ["table-addresses"],
    "and the proved address first, wherever adverts point": ["table-addresses"],
    "made-up adverts of one host push out what it said itself, and not what the peer says": ["table-addresses"],
    "a known peer that takes a pinned name keeps the one it had": ["table-name-proved"],
    "gives one that has proved none the names that several hosts say, until it proves one": ["table-name-proved"],
    "of the unproved the oldest is evicted, and those that proved themselves never": ["table-unproved"],
    "of one address only so many unproved are entered, and the others are counted": ["table-unproved"],
    "by a host that says it leaves takes back what that host says, and the peer with the last, or with what was proved":
      [
        "table-leaving"
      ],
    "a pinned name with another key is an event at most once a minute a name, and replaces nothing": [
      "table-conflict",
      "advert-hint"
    ],
    "this node's own name and its own key belong to it": ["table-conflict"],
    "keeps a silent peer alive": ["table-heard"],
    "of three intervals makes a peer suspect, and it is then asked six times, a fifth of an interval apart": [
      "table-lost"
    ],
    "of six intervals is a loss, asked or not": ["table-lost"],
    "of one who answers with its key is none: it stays, and is asked again each time": ["table-probe"],
    "where nobody listens any more, or somebody else, is a loss at once": ["table-probe"],
    "of one who is too busy to answer is none": ["table-probe"],
    "of one who says that it is too busy is none on a network with a key, since anybody can say so: its silence goes on":
      [
        "table-probe"
      ]
  },
  "core/test/peers/Trust.test.ts": {
    "pins a name to the first key that proves itself, and to nothing before": ["table-pin"]
  },
  "core/test/peers/WhoIsWho.sim.test.ts": {
    "serve the name that was proved on them, each": ["table-proved-name"]
  },
  "core/test/streams/AdvancedNode.sim.test.ts": {
    "somebody else's word that a peer leaves ends nothing while its session lives; its own does": [
      "table-leaving-session"
    ]
  },
  "core/test/connect/Ways.sim.test.ts": {
    "lose each other with the session, and whoever calls then is told why": ["table-no-address"]
  }
}

const typed: Readonly<Record<string, Titles>> = {
  "core/test/call/PeerRpcJson.sim.test.ts": {
    "answers one who knows no more than the text": [
      "json-call-line",
      "json-call-null",
      "json-call-payload",
      "json-call-one-value",
      "json-call-success",
      "json-call-failure"
    ],
    "runs nothing of another contract, and says what its own is": ["json-call-hash", "json-call-contract"],
    "streams elements as they are granted, and is given up by whoever grants no more": [
      "json-call-grants",
      "json-call-values"
    ],
    "resets what is no request with internal, and what is too long, too heavy or without room with its code": [
      "json-call-malformed",
      "json-call-size"
    ],
    "says what the text says, and remembers how it has to": ["json-call-unknown"],
    "asks for neither form for ever, and forgets what the peer no longer speaks": ["json-call-unsupported"],
    "gets a typed error of whatever is no answer, at a bounded cost": ["json-call-answer-wrong"]
  },
  "core/test/call/PeerRpc.sim.test.ts": {
    "give values and typed errors, as classes and not as text": ["typed-protocol", "typed-exit"],
    "stream elements, and end with success or a typed error": ["typed-elements", "typed-success"],
    "keep the elements of a stream of bytes whole, the empty and the large": ["typed-raw-chunk"],
    "produce no more than the window and the buffers ahead of their consumer": ["typed-window"],
    "interrupt their handler, which is told that its client did it": ["typed-cancel"],
    "say that a handler broke, and not how; other calls go on": ["typed-broken"],
    "of names that the peer does not serve fail with UnknownFunctionError": ["typed-not-found"],
    "a trace: caller, session and handler are one tree": ["typed-traceparent"],
    "go on when their result is not wanted, and are acknowledged when they begin": ["typed-discard"],
    "may answer with as much as is allowed, and no more": ["typed-size"],
    "understand each other over …": ["typed-values", "contract-compatible"],
    "name the difference where the peer has …, and nothing is run": ["contract-mismatch"],
    "by calling is told so, and harms nobody": [
      "typed-request",
      "typed-flags",
      "reset-too-large",
      "contract-mismatch-stream"
    ],
    "by answering gives its caller a typed error": ["typed-answer-wrong"]
  },
  "core/test/call/contractBinary.test.ts": {
    "stands in the contract where JSON has a text or a tag for it": ["contract-binary"],
    "is the same on both sides of a call, or they do not go together and say so": ["contract-binary"],
    "is that of pnet/1, whose calls have the hashes they had": ["contract-encoder"],
    "has a name in each contract where it is another one": ["contract-encoder"],
    "are in the contract, and the two sides number alike or do not go together": ["contract-numbered"]
  },
  "core/test/nodes/Versions.sim.test.ts": {
    "has values of another encoder, which are read where both sides have said so alone": [
      "contract-encoder",
      "contract-encoder-flag"
    ],
    "has flags and headers that are not known, which are ignored, or another version, which is internal and not run": [
      "typed-flags",
      "typed-version"
    ]
  },
  "core/test/call/rpcWire.test.ts": {
    "has headers of so many bytes, which end within it": ["typed-flags"],
    "is of this version": ["typed-version"]
  },
  "core/test/wire/json.test.ts": {
    "is refused without being parsed where it nests too deep": ["typed-levels"]
  },
  "core/test/nodes/Cost.sim.test.ts": {
    "of what refers to itself, or lists nothings, is JSON, of which as much is made as there is": ["typed-json-form"]
  },
  "core/test/call/CommandRpc.sim.test.ts": {
    "are described so that a stranger can make their contracts": ["command-describe-args"]
  },
  "core/test/nodes/Rules.sim.test.ts": {
    "and is not when its time is up is RESET deadline then, of commands and of both forms of typed calls": [
      "deadline-question"
    ],
    "of one value ignores what comes behind its length": ["typed-one-value"],
    "of a stream gets a chunk for each grant, none for a grant of 0, and is given up by END while one is waited for": [
      "typed-grants",
      "typed-gives-up",
      "typed-window"
    ]
  }
}

const offers: Readonly<Record<string, Titles>> = {
  "core/test/offers/Drain.sim.test.ts": {
    "tells its peers, refuses what is new unrun, and finishes what runs": ["reset-draining"],
    "takes what nodes tell each other and publish all the same, and does not wait for it": ["reset-draining"]
  },
  "core/test/offers/Telling.sim.test.ts": {
    "is told at once, and again whenever that is another: roles, meta, functions, draining": ["offer-stream"],
    "is told four lines a second of a node that changes a thousand times, the last with all of it": ["offer-rate"],
    "and does not read is told the newest when it does, and what it says is dropped": ["offer-rate"],
    "has one stream: another ends the one before, and more than four a second are refused": ["offer-one", "offer-often"]
  },
  "core/test/offers/Following.sim.test.ts": {
    "of peers that do not tell, or have no sessions, is not known: they are asked again seldom": ["offer-unsupported"],
    "is known as far as the trust policy grants it, which may change": ["offer-claim"],
    "that is no offer, too long, or too much, is nothing, and its peer is not asked again for minutes": ["offer-wrong"]
  }
}

const topics: Readonly<Record<string, Titles>> = {
  "core/test/topics/Wire.sim.test.ts": {
    "tells of a topic before anything of it, and again for who is new": ["topic-first", "topic-once", "topic-seq"],
    "has what was lost with its stream counted by the next, in the same epoch alone": ["topic-seq"],
    "has one stream: another takes its place, and more than eight a second are refused": ["topic-one", "topic-often"],
    "may say what is not known, and ends its stream by what is no record": ["topic-kinds", "topic-wrong"],
    "is refused what it may not publish, or by another contract, and what it says of it is dropped": ["topic-refused"],
    "hands to one of a group, and is answered when that is done, or not wanted": ["topic-group", "topic-skipped"],
    "is told what it gets, of what was published before and since": ["topic-retained"]
  },
  "core/test/topics/Bounds.sim.test.ts": {
    "subscribe: those to whom the publisher's policy grants it, which by trust on first use alone is nobody": [
      "topic-stream"
    ],
    "limits.topicDeliveries: of a group so many wait, and more is given up for it alone, as it is told": [
      "topic-skipped"
    ],
    "limits.topicPatience: a member that acknowledges nothing for so long has what it was handed go to another as well":
      [
        "topic-late"
      ],
    "by topic: publishers say who may subscribe, subscriptions who may publish": ["topic-denied"],
    "is told who subscribes, or publishes, by another Schema": ["topic-contract", "topic-denied"]
  },
  "core/test/topics/Topics.sim.test.ts": {
    "gives what is published to whoever subscribes, in order, and to nobody else": ["topic-stream"],
    "keeps the newest of each key for one that is slow, and says what it missed": ["topic-modes"],
    "is told anew to a node that is started again before it subscribes": ["topic-early"],
    "waits for those that are to lose nothing, where it is asked to, and for nobody else": ["topic-lossless"]
  }
}

const nats: Readonly<Record<string, Titles>> = {
  "testing/src/TransportSuite.ts": {
    "a dial to where nobody listens is DialError Refused with the address": ["nats-dial"],
    "a mebibyte comes whole and in order, in both directions at once": ["nats-link"],
    "a connection that is broken off is not clean": ["nats-link-over"]
  },
  "nats/test/links.sim.test.ts": {
    "are over at once where the server is gone, and nothing is left of them": ["nats-link-over"],
    "end where the other node is gone, or has begun anew and knows nothing of them": ["nats-link-over"],
    "are not touched by what others say, who are told once that they have none": ["nats-link", "nats-link-over"],
    "are asked for in its own words alone, and so many wait to be accepted": ["nats-dial"]
  },
  "nats/test/bus.test.ts": {
    "the three permissions are enough, and nobody can call himself another": [
      "nats-permissions",
      "nats-from",
      "nats-subject"
    ],
    "a request is answered by whom it went to alone, and at once where nobody is there": ["nats-answer", "nats-reply"],
    "of those who hear for any, one other than the asker gets it; where there is none it is told so": ["nats-all"],
    "who says something to one that is gone learns it by the status": ["nats-reply"]
  },
  "nats/test/discovery.sim.test.ts": {
    "a newcomer knows all within a second, and all know it at once": ["nats-list", "nats-ask"],
    "one that crashes is not told of any more within seconds, though adverts are minutes apart": [
      "nats-seldom",
      "nats-watch",
      "nats-gone"
    ],
    "those of a site that is cut off are found again in seconds, though nothing tells that it is back": ["nats-lately"],
    "one that leaves says so to all": ["nats-seldom"],
    "nobody is told of while there is no server, and all are at once when it is back": ["nats-down"],
    "an advert counts for the node alone that says it, and by its own key": ["nats-advert", "nats-from"],
    "who says that all are gone makes nobody lose anybody, and has each asked a few times at most": ["nats-gone"],
    "lists of nodes that do not exist cost a bounded number of questions, and enter nobody": ["nats-list"]
  },
  "nats/test/mail.test.ts": {
    "comes to who is not there when it is sent, with its id, and is gone when it was handled": [
      "mail-subject",
      "mail-message-id"
    ],
    "is not handled twice where its acknowledgement was lost": ["mail-handled"],
    "is handled again when that failed, while others go on, and put with the dead after so many times": ["mail-dead"]
  },
  "nats/test/durable.test.ts": {
    "has what was published for who was not there, from any place on, with who, when, and which number": [
      "kept-subject",
      "kept-message-id"
    ],
    "goes on where its position is, behind what was acknowledged, with what the publisher has missed": [
      "kept-position",
      "kept-number"
    ],
    "is taken of nobody who has not signed it for this topic, in this network, and once": [
      "kept-subject",
      "kept-number"
    ]
  },
  "nats/test/NatsPnet.test.ts": {
    "a user with the permissions that are said to be enough can do everything, and the directory with its own": [
      "nats-permissions",
      "nats-directory",
      "nats-inbox",
      "nats-encryption"
    ]
  }
}

const links: Readonly<Record<string, Titles>> = {
  "core/test/link/Link.test.ts": {
    "gives every byte in order, or ends without being clean, over a channel that loses, repeats and reorders messages":
      [
        "link-number",
        "link-lost"
      ],
    "takes no more than the credit it gave, and holds little more of the shortest messages": ["link-window"],
    "asks who is silent, answers who asks, and gives up who does not answer": ["link-ping", "link-silence"],
    "answers a flood of questions as there is room, and once": ["link-ping"],
    "shows of a reason that the other end gives a bounded part, in quotes": ["link-reason"]
  },
  "core/test/link/MessageLink.test.ts": {
    "ends as its channel does, and says why": ["link-lost"],
    "asks after 5 seconds, and gives up after 15": ["link-silence"]
  }
}

const webSockets: Readonly<Record<string, Titles>> = {
  "web/test/Listener.test.ts": {
    "takes pages of its own host, or of those origins that it is told, and whoever is no page": ["ws-origin"],
    "takes a proxy's word for who connects only where it is told of the proxy": ["ws-remote"],
    "ends a connection at a message of text, and at one that is too long, at either end": ["ws-message"]
  },
  "web/test/Reach.test.ts": {
    "is asked for at once, and again ever more seldom until it is there": ["ws-ask"],
    "takes URLs of WebSockets with a key behind them or none, and says of others what is wrong": ["ws-url"],
    "is no peer where it has another key than its URL says": ["ws-pin"]
  }
}

/** A test that shows a rule: its file in `packages/`, and its title. */
export interface Shown {
  readonly rule: string
  readonly file: string
  readonly title: string
}

const files: Readonly<Record<string, Titles>> = {
  "files/test/files.sim.test.ts": {
    "are read by nobody but whom they are offered to, and by that one in a few calls at once": ["file-key"],
    "go on when the sender is killed and sends the same again, nobody being asked anew": ["file-id"]
  },
  "files/test/hostile.test.ts": {
    "touches nothing outside of the folder, whatever names, folders and links it says": ["file-name"],
    "has what does not keep to the protocol end the transfer, with its reason": ["file-list", "file-name"],
    "that ends its answers before its list is at its end is not waited for, and has sent nothing": ["file-name"],
    "that sends more or less of a file than there is, or what nobody asked for, has its transfer ended": [
      "file-answer"
    ],
    "gets nothing but what is in the list, and an error for what is not": ["file-want"]
  }
}

/** Every rule that a test shows, once for each such test. */
export const shown: ReadonlyArray<Shown> = [
  packets,
  networkKey,
  raw,
  handshake,
  sessions,
  streams,
  commands,
  discovery,
  typed,
  offers,
  certificates,
  topics,
  files,
  links,
  nats,
  webSockets
].flatMap((files) =>
  Object.entries(files).flatMap(([file, titles]) =>
    Object.entries(titles).flatMap(([title, rules]) => rules.map((rule) => ({ rule, file, title })))
  )
)
