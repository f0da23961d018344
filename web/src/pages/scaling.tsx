/** What autoscalers decided, and why. */
import type { Page, ScalingInfo } from '../../../src/frontends/admin/api.ts'
import { get } from '../client.ts'
import { useData } from '../data.ts'
import { count } from '../format.ts'
import { Badge, Empty, Fault, Heading, Time } from '../parts/basics.tsx'
import { link } from '../route.ts'

export function ScalingPage() {
  const { data, fault } = useData((signal) => get<Page<ScalingInfo>>('/scalings', {}, signal), 'scalings', 1_500)
  const most = Math.max(1, ...(data?.items ?? []).map(({ to }) => to))
  return (
    <>
      <Heading title="Autoscaling" sub="The latest decisions first" />
      <Fault fault={fault} />
      {data?.items.length === 0 && (
        <Empty title="No autoscaler has decided anything">
          <code>spindle autoscale</code> starts and ends workers by what waits.
        </Empty>
      )}
      {data !== undefined && data.items.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">Queue</th>
                <th scope="col" class="num">
                  From
                </th>
                <th scope="col" class="num">
                  To
                </th>
                <th scope="col">Workers</th>
                <th scope="col" class="num">
                  Waiting then
                </th>
                <th scope="col">Because</th>
              </tr>
            </thead>
            <tbody>
              {data.items.map(({ atMs, queue, from, to, reason, waiting }) => (
                <tr key={`${queue}${atMs}${to}`}>
                  <td>
                    <Time at={atMs} />
                  </td>
                  <td>
                    <a class="row-link" href={link(['queues', queue])}>
                      {queue}
                    </a>
                  </td>
                  <td class="num">{from}</td>
                  <td class="num">{to}</td>
                  <td>
                    <progress class={to > from ? 'up' : 'down'} value={to} max={most} aria-label={`${to} workers`} />
                  </td>
                  <td class="num">{count(waiting)}</td>
                  <td>
                    <Badge tone={to > from ? 'leased' : 'plain'}>{reason}</Badge>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  )
}
