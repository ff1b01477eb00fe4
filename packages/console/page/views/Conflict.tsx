/** A name that several keys claim, and the decision whose it is. */
import type { Conflict } from "@pnet/console/ConsoleApi"
import { useState } from "preact/hooks"
import { ask } from "../api/link.ts"
import { Dialog, peerLink, Picture, Print, Said, Words } from "../parts/basic.tsx"
import { acts, notify } from "../store/state.ts"
import { plain } from "../text.ts"

type Claim = Conflict["claims"][number]

const Decide = (
  { claim, name, onClose }: { readonly name: string; readonly claim: Claim; readonly onClose: () => void }
) => {
  const [busy, setBusy] = useState(false)
  const decide = () => {
    setBusy(true)
    void ask((client) => client.resolveConflict({ name, key: claim.key })).then((answer) => {
      onClose()
      if (answer.ok) notify("done", `${plain(name, 60)} now belongs to ${claim.fingerprint}`)
      else notify("failed", answer.failure.message, answer.failure.hint)
    })
  }
  return (
    <Dialog label="Whose name it is" onClose={onClose}>
      <h2>
        The name <Said text={name} most={60} /> belongs to this key?
      </h2>
      <p class="quiet">
        Call whoever runs it, and have these words read out to you. Only if all ten are the same, and in this order, it
        is theirs. From then on this node takes nobody else for it.
      </p>
      <div class="compare">
        <Picture of={claim.key} size={64} />
        <div>
          <Print of={claim.fingerprint} />
          <div class="mono small faint break">{claim.key}</div>
        </div>
      </div>
      <Words of={claim.words} />
      <div class="dialog-end">
        <button type="button" class="button" onClick={onClose}>Not now</button>
        <button type="button" class="button main-one" disabled={busy} onClick={decide}>The words are the same</button>
      </div>
    </Dialog>
  )
}

export const ConflictCard = ({ of }: { readonly of: Conflict }) => {
  const [claim, setClaim] = useState<Claim | undefined>(undefined)
  const { claims, expected } = of
  // The one that has the name may be silent for now.
  const all = expected === undefined || claims.some(({ key }) => key === expected.key)
    ? claims
    : [{ ...expected, words: [], address: "" }, ...claims]
  return (
    <section class="card conflict" aria-label={`Conflict about ${plain(of.name, 60)}`}>
      <div class="card-head">
        <h2>
          <span class="dot bad" />
          <span>
            {all.length} {all.length === 1 ? "key claims" : "keys claim"} the name <Said text={of.name} most={60} />
          </span>
        </h2>
        {of.expected === undefined && <span class="badge">It belongs to nobody yet</span>}
      </div>
      <ul class="claims">
        {all.map((one) => {
          const isExpected = of.expected?.key === one.key
          return (
            <li key={one.key} class="claim">
              <Picture of={one.key} size={48} />
              <div class="claim-text">
                <div class="claim-line">
                  <Print of={one.fingerprint} />
                  {isExpected && <span class="badge good">The name belongs to it</span>}
                </div>
                <div class="claim-words">{one.words.map((word) => plain(word, 24)).join(" ")}</div>
                <div class="small faint">
                  <span class="mono">{plain(one.address, 60)}</span> · <a href={peerLink(one.key)}>Look at it</a>
                </div>
              </div>
              {!isExpected && (
                <button
                  type="button"
                  class="button"
                  disabled={!acts.value}
                  title={acts.value ? undefined : "This console only shows: start it with --act"}
                  onClick={() => setClaim(one)}
                >
                  It is this one
                </button>
              )}
            </li>
          )
        })}
      </ul>
      {!acts.value && (
        <p class="card-foot">
          This console only shows. To decide, start it with <code>--act</code>, or run <code>pnet trust</code>{" "}
          where the node is.
        </p>
      )}
      {claim !== undefined && <Decide name={of.name} claim={claim} onClose={() => setClaim(undefined)} />}
    </section>
  )
}
