<?php
// PHP's php-amqplib. Argument: the port.
require_once is_file('/usr/share/php/PhpAmqpLib/autoload.php') ? '/usr/share/php/PhpAmqpLib/autoload.php' : '/usr/share/php/PhpAmqpLib/Autoload.php';

use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

$connection = new AMQPStreamConnection('127.0.0.1', $argv[1], 'guest', 'guest');
$channel = $connection->channel();
$channel->confirm_select();
$acked = 0;
$channel->set_ack_handler(function () use (&$acked) { $acked++; });
$returned = null;
$channel->set_return_listener(function ($code, $text, $exchange, $key, $message) use (&$returned) { $returned = "$code $message->body"; });
$channel->exchange_declare('events', 'topic', false, true, false);
$channel->queue_declare('orders', false, true, false, false, false, new AMQPTable(['x-max-priority' => 5, 'x-dead-letter-exchange' => '']));
$channel->queue_bind('orders', 'events', 'order.#');
for ($i = 0; $i < 10; $i++) {
    $headers = new AMQPTable(['n' => $i, 'deep' => ['a' => [1, 'x']]]);
    $channel->basic_publish(new AMQPMessage("m$i", ['delivery_mode' => 2, 'application_headers' => $headers]), 'events', 'order.new');
}
$channel->wait_for_pending_acks(20);
echo 'confirmed ', $acked === 10 ? 'true' : 'false', "\n";
$arrived = [];
$channel->basic_qos(0, 3, false);
$tag = $channel->basic_consume('orders', '', false, false, false, false, function ($message) use (&$arrived) {
    $headers = $message->get('application_headers')->getNativeData();
    $arrived[] = $message->body . ':' . $headers['n'] . ':' . count($headers['deep']['a']);
    $message->ack();
});
while (count($arrived) < 10) $channel->wait(null, false, 20);
echo implode(' ', $arrived), "\n";
$channel->basic_cancel($tag);
$channel->basic_publish(new AMQPMessage('lost'), 'events', 'none', true);
$channel->wait_for_pending_acks_returns(20);
echo "returned $returned\n";
try {
    $connection->channel()->queue_declare('gone', true);
} catch (AMQPProtocolChannelException $e) {
    echo $e->getMessage(), "\n";
}
$channel->queue_delete('orders');
$channel->exchange_delete('events');
$connection->close();
