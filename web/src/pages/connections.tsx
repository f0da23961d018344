/** Who works: queues with deliveries under way, and the connections that hold them. */
import type { ConnectionInfo, Page } from '../../../src/frontends/admin/api.ts'
import { get } from '../client.ts'
import { useData } from '../data.ts'
import { count, duration, perSecond, plural } from '../format.ts'
import { ratesOf, useLive } from '../live.ts'
import { Badge, Empty, Fault, Heading, Time } from '../parts/basics.tsx'
import { link } from '../route.ts'

const SHOWN = 100

export function ConnectionsPage() {
  const view = useLive()
  const { data, fault } = useData(
    (signal) => get<Page<ConnectionInfo>>('/connections', {}, signal),
    'connections',
    1_500,
  )
  const busy = (view.stats?.queues ?? []).filter(({ leased }) => leased > 0).sort((a, b) => b.leased - a.leased)
  const connections = data?.items ?? []
  return (
    <>
      <Heading
        title="Workers"
        sub={`${plural(connections.length, 'AMQP connection')}, ${plural(busy.length, 'queue')} being worked`}
      />
      <section aria-labelledby="leases">
        <h2 id="leases">Under way</h2>
        {busy.length === 0 ? (
          <p class="calm">Nobody holds a message at the moment.</p>
        ) : (
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <th scope="col">Queue</th>
                  <th scope="col" class="num">
                    Running
                  </th>
                  <th scope="col" class="num">
                    Done/s
                  </th>
                  <th scope="col" class="num">
                    p99
                  </th>
                  <th scope="col" class="num">
                    Leases lost
                  </th>
                </tr>
              </thead>
              <tbody>
                {busy.slice(0, SHOWN).map(({ name, leased, runP99Ms, totals }) => (
                  <tr key={name}>
                    <td>
                      <a class="row-link" href={link(['queues', name], { state: 'leased' })}>
                        {name}
                      </a>
                    </td>
                    <td class="num">{count(leased)}</td>
                    <td class="num">{perSecond(ratesOf(view, name).out)}</td>
                    <td class="num">{runP99Ms === null ? '–' : duration(runP99Ms)}</td>
                    <td class={totals.lost > 0 ? 'num bad' : 'num'}>{count(totals.lost)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      <section aria-labelledby="connections">
        <h2 id="connections">Connections</h2>
        <Fault fault={fault} />
        {data !== undefined && connections.length === 0 && (
          <Empty title="No AMQP client is connected">
            SQS clients and workers on the folder come and go with each call, and hold no connection.
          </Empty>
        )}
        {connections.length > 0 && (
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <th scope="col">Client</th>
                  <th scope="col">User</th>
                  <th scope="col">State</th>
                  <th scope="col" class="num">
                    Channels
                  </th>
                  <th scope="col" class="num">
                    Holds
                  </th>
                  <th scope="col">Consumes</th>
                  <th scope="col">Since</th>
                </tr>
              </thead>
              <tbody>
                {connections
                  .slice(0, SHOWN)
                  .map(({ name, client, peer, user, state, channels, leases, consumers, connectedAtMs }) => (
                    <tr key={name}>
                      <td title={name}>
                        {client ?? peer} {client !== null && <small class="faint">{peer}</small>}
                      </td>
                      <td>{user}</td>
                      <td>
                        <Badge tone={state === 'running' ? 'leased' : 'warn'}>{state}</Badge>
                      </td>
                      <td class="num">{channels}</td>
                      <td class="num">{count(leases)}</td>
                      <td class="clip">
                        {consumers.map(({ tag, queue }) => (
                          <a key={tag} href={link(['queues', queue])}>
                            {queue}{' '}
                          </a>
                        ))}
                      </td>
                      <td>
                        <Time at={connectedAtMs} />
                      </td>
                    </tr>
                  ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
    </>
  )
}
