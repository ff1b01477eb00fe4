/** The peers as a table, to sort, filter and search. */
import type { Peer } from "@pnet/console/ConsoleApi"
import { useMemo } from "preact/hooks"
import { go, look } from "../go.ts"
import { wayWord } from "../graph/look.ts"
import { Empty, Name, peerLink, Picture, Print, SearchBox, Since, Status, Trust } from "../parts/basic.tsx"
import * as Icon from "../parts/icons.tsx"
import { useMore } from "../parts/more.tsx"
import { write } from "../route.ts"
import { type Column, columns, listed, type Looking } from "../store/network.ts"
import { conflicts, peerCount, peers, route } from "../store/state.ts"
import { count, plain, several, unheeded } from "../text.ts"

const lookingOf = (query: Readonly<Record<string, string>>): Looking => ({
  text: query["q"] ?? "",
  status: query["status"] ?? "",
  trust: query["trust"] ?? "",
  by: columns.find((one) => one === query["by"]) ?? "name",
  descending: query["down"] === "1"
})

const sort = (looking: Looking, by: Column): void =>
  look(
    by === looking.by
      ? { down: looking.descending ? undefined : "1" }
      : { by: by === "name" ? undefined : by, down: undefined }
  )

const Heading = ({ by, class: name, label, looking }: {
  readonly by: Column
  readonly label: string
  readonly looking: Looking
  readonly class?: string
}) => (
  <th
    scope="col"
    class={`column-${by} ${name ?? ""}`}
    aria-sort={looking.by === by ? looking.descending ? "descending" : "ascending" : undefined}
  >
    <button type="button" class="sort" onClick={() => sort(looking, by)}>
      {label}
      <Icon.Up />
    </button>
  </th>
)

const statuses = [["", "Any status"], ["online", "Online"], ["suspect", "Not answering"], ["draining", "Leaving"], [
  "unproved",
  "Unproved"
]] as const
const trusts = [
  ["", "Any trust"],
  ["pinned", "Pinned"],
  ["listed", "Listed"],
  ["connected", "Connected"],
  ["unknown", "Unknown"],
  ["other", "Another key"],
  ["revoked", "Revoked"]
] as const

const Filter = ({ label, name, options, value }: {
  readonly label: string
  readonly name: string
  readonly value: string
  readonly options: ReadonlyArray<readonly [string, string]>
}) => (
  <select
    class="input filter"
    aria-label={label}
    value={value}
    onChange={(event) => look({ [name]: event.currentTarget.value })}
  >
    {options.map(([value, word]) => <option key={value} value={value}>{word}</option>)}
  </select>
)

/** A row is drawn anew only when its peer is another. */
const Row = ({ contested, peer }: { readonly peer: Peer; readonly contested: boolean }) =>
  useMemo(() => (
    <tr
      class="goes"
      data-peer={plain(peer.name)}
      onClick={(event) => {
        if (!(event.target instanceof HTMLElement) || event.target.closest("a, button") === null) go(peerLink(peer.key))
      }}
    >
      <td class="cell-peer">
        <a class="person" href={peerLink(peer.key)}>
          <Picture of={peer.key} size={28} />
          <span class="person-text">
            <Name text={peer.name} />
            <Print of={peer.fingerprint} />
          </span>
        </a>
      </td>
      <td class="column-status">
        {contested && <span class="badge bad only-small">In conflict</span>}
        <Status peer={peer} />
      </td>
      <td class="column-way">
        {peer.ways.length > 0 && (
          <span class="badge outline">{peer.ways.map((way) => plain(wayWord(way), 16)).join(" · ")}</span>
        )}
        <span class="mono faint address">
          {plain(peer.addresses[0] ?? "", 48)}
          {peer.addresses.length > 1 && ` +${peer.addresses.length - 1}`}
        </span>
      </td>
      <td class="number column-functions">
        {!peer.heeded
          ? <span class="faint" title={unheeded}>on its page</span>
          : peer.offered
          ? count(peer.functionCount)
          : <span class="faint" title="It has not said yet">–</span>}
      </td>
      <td class="column-trust">{contested ? <span class="badge bad">In conflict</span> : <Trust of={peer.trust} />}</td>
      <td class="number nowrap quiet column-since">
        <Since at={peer.since} />
      </td>
    </tr>
  ), [peer, contested])

export const PeersView = () => {
  const { query } = route.value
  const looking = useMemo(() => lookingOf(query), [query])
  const all = peers.value
  const list = useMemo(() => listed(all, looking), [all, looking])
  const contested = useMemo(() => new Set(conflicts.value.map(({ name }) => name)), [conflicts.value])
  const [shown, more] = useMore(list.length, "peers")
  const isFiltered = looking.text !== "" || looking.status !== "" || looking.trust !== ""
  return (
    <>
      <div class="view-head">
        <div>
          <h1>Peers</h1>
          <p>
            {isFiltered
              ? `${count(list.length)} of ${several(peerCount.value, "peer")}`
              : several(peerCount.value, "peer")}
            {contested.size > 0 && (
              <>
                {" · "}
                <a href={write("health")}>{several(contested.size, "name")} in conflict</a>
              </>
            )}
            {peerCount.value > all.size - 1 && all.size > 0 && ` · the first ${count(all.size - 1)} are shown`}
          </p>
        </div>
      </div>
      <div class="view-tools">
        <SearchBox
          label="Search names, keys, addresses, roles, functions"
          text={looking.text}
          onText={(q) => look({ q })}
        />
        <Filter label="Status" name="status" value={looking.status} options={statuses} />
        <Filter label="Trust" name="trust" value={looking.trust} options={trusts} />
        {isFiltered && (
          <button
            type="button"
            class="button plain"
            onClick={() => look({ q: "", status: "", trust: "" })}
          >
            Clear
          </button>
        )}
      </div>
      <div class="card">
        {list.length === 0
          ? peerCount.value === 0
            ? (
              <Empty icon={<Icon.Network />} title="Nobody else is here yet">
                Start a peer with <code>pnet up</code>, or see in <a href={write("health")}>Health</a>{" "}
                what may be in the way.
              </Empty>
            )
            : (
              <Empty icon={<Icon.List />} title="None of the peers is like that">
                Look for fewer words, or clear the filters.
              </Empty>
            )
          : (
            <div class="table-wrap">
              <table class="table peers">
                <caption class="unseen">Peers</caption>
                <thead>
                  <tr>
                    <Heading by="name" label="Peer" looking={looking} />
                    <Heading by="status" label="Status" looking={looking} />
                    <Heading by="way" label="Way" looking={looking} />
                    <Heading by="functions" label="Functions" looking={looking} class="number" />
                    <Heading by="trust" label="Trust" looking={looking} />
                    <Heading by="since" label="Here for" looking={looking} class="number" />
                  </tr>
                </thead>
                <tbody>
                  {list.slice(0, shown).map((peer) => (
                    <Row key={peer.id} peer={peer} contested={contested.has(peer.name)} />
                  ))}
                </tbody>
              </table>
            </div>
          )}
        {more}
      </div>
    </>
  )
}
