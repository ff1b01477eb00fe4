/**
 * What the library says to programmers, as it is said at a command line: its messages, the lines of its log, its findings and what is in the way name options and
 * functions, for which there are flags and commands. What stands in quotes is somebody's name, or what was given, and stays as it is.
 */

/** Where a message of the library is explained. */
export const pointer = /; see @pnet\/core\/docs\/why-cant-i\.md#([a-z-]+)/g

// The longer come first: what they leave is for the names of single options.
const spoken: ReadonlyArray<readonly [inPrograms: RegExp, here: string]> = [
  [/with peers\.resolveConflict/g, "with pnet trust resolve"],
  [/list it with AllowListTrust\.layer/g, "list it with --allow-list"],
  [/with peers\.awaitPeers?/g, "with --wait"],
  [
    /list the other nodes' addresses in peers, or see what diagnose finds/g,
    "list the other nodes' addresses in --peers"
  ],
  [/by Trust\.open/g, "with --open"],
  [/ \(Trust\.open\)/g, " (--open)"],
  [/ \(NodeIdentity\.layerFile\)/g, ""],
  [
    /raise the capacity of TofuTrust\.layer, pin it yourself, or use an allow list/g,
    "use an allow list, with --allow-list"
  ],
  [/call get_funcs to see those it has/g, "run pnet functions to see those it has"],
  [/call describe to see what it takes/g, "run pnet functions to see what it takes"],
  [/the same networkId and networkKey/g, "the same --network and network key"],
  [/, or say wait: true for a node that starts without one/g, ""],
  // Limits have no flags: what else there is to do is said, or that the bound is reached.
  [/raise limits\.unprovedPerAddress(?: on every node)?/g, "list the nodes that are meant in --peers"],
  [/raise limits\.unprovedPerOwnAddress(?: on every node)?/g, "end nodes there that are not needed"],
  [
    /raise limits\.unprovedPeers, or see who sends so many adverts/g,
    "see who sends so many adverts, or take a --network of fewer nodes"
  ],
  [/raise limits\.(?:unproved|proved)Peers(?: on every node)?/g, "take a --network of fewer nodes"],
  [/raise limits\.addressesPerName/g, "list the addresses that are meant in --peers"],
  [/, or raise limits\.\w+/g, ""],
  [/: limits\.offers are/g, ": as many are as may be"],
  [/\blimits\.\w+ is reached/g, "as much is kept as may be"],
  [/ as limits\.\w+ lets it; raise that, or /g, " as it may; "],
  [/ as limits\.\w+ lets it\b/g, " as it may"],
  [/ as limits\.\w+ and limits\.\w+ allow/g, " as may be"],
  [/\bin peers\b/g, "in --peers"],
  [/\bwhich peers lists\b/g, "which --peers lists"],
  [/\bpeers is empty\b/g, "--peers is empty"],
  [/\bnetworkKeys?\b/g, "network key"],
  [/\bnetworkId\b/g, "--network"],
  [/\badvertisePort\b/g, "--advertise-port"],
  [/\bserverPort\b/g, "--port"],
  [/\bbindIp\b/g, "--bind"]
]

const said = (text: string): string =>
  spoken.reduce((said, [inPrograms, here]) => said.replace(inPrograms, here), text.replaceAll(pointer, ""))

const inQuotes = /("(?:[^"\\]|\\.)*")/

/** A message of the library as it is said at a command line, without where it is explained. */
export const atCommandLine = (message: string): string =>
  message.split(inQuotes).map((part, index) => index % 2 === 1 ? part : said(part)).join("")
