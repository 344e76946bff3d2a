# Asks the server of a plugin to do a call, as caller.ts tells. Of the programs that can use a Unix socket
# and that most systems have, Perl without modules starts in a quarter of the time of curl.
#
# Its arguments are the path of the socket, the identity of the program, the state folder if the
# environment names none, the bytes that a request may have, the answer of a call that has failed, the
# number of the call's words, and the command line to start without a server, which ends in these words.
# The numbers are those of Linux: AF_UNIX and SOCK_STREAM are 1 (socket(2)).
delete $ENV{PERL_SKIP_LOCALE_INIT};
my ($path, $identity, $default, $most, $failure, $count) = splice @ARGV, 0, 6;
my @words = @ARGV[@ARGV - $count .. $#ARGV];
sub without_server { exec { $ARGV[0] } @ARGV; exit 127 }
sub same { join ":", (stat $_[0])[0, 1] }
my $state = $ENV{IPVLAN_STATE_DIR};
$state = $default if !defined $state || $state eq "";
my $folder = readlink "/proc/self/cwd";
my @files = map { same($_) } "/proc/self/ns/mnt", "/proc/self/ns/net", "/";
my $expected = join "\t", $identity, @files, $state;

my $server;
-d $folder && socket($server, 1, 1, 0) && connect($server, pack("Sa*", 1, "$path\0"))
  or without_server;
my $greeting = "";
until ($greeting =~ /\n/) {
  my $ready = "";
  vec($ready, fileno $server, 1) = 1;
  # A server may have to start first, which is waited for so many seconds.
  select($ready, undef, undef, 30) > 0 && sysread($server, $greeting, 65536, length $greeting)
    or without_server;
}
$greeting eq "$expected\n" or without_server;

my $version = "1.1.0";
sub failed {
  printf "$failure\n", $_[0], $version;
  exit 1;
}
$SIG{PIPE} = "IGNORE";
$SIG{$_} = sub { failed("It was interrupted") } for "TERM", "INT", "HUP";
my $text = "";
-t STDIN or read STDIN, $text, $most + 1;
$version = $1 if $text =~ /"cniVersion"\s*:\s*"([0-9.]+)"/;
my @pairs = ((map { "=$_" } @words), map { "$_=$ENV{$_}" } keys %ENV);
my $call = join("", map { "$_\0" } $folder, @pairs) . "\0$text";
$call = length($call) . "\n$call";
for (my $sent = 0; $sent < length $call;) {
  my $wrote = syswrite $server, $call, length($call) - $sent, $sent;
  $sent += $wrote || failed("The server of ipvlan has ended before the call");
}
my $answer = "";
1 while sysread $server, $answer, 65536, length $answer;
my ($status, $err, $out) = $answer =~ /^([0-9]+) ([0-9]+) ([0-9]+)\n/;
my $start = index($answer, "\n") + 1;
defined $status && length $answer == $start + $err + $out
  or failed("The server of ipvlan has ended during the call");
print STDERR substr $answer, $start, $err;
print substr $answer, $start + $err;
exit $status;
