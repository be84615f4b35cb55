# What Crypt::SMIME does with what it is given: one verb, a folder with what it needs, standard
# input to standard output. `certificates` gives PEM; all else gives mail.
use strict;
use warnings;
use Crypt::SMIME qw(:constants);

my ($verb, $home) = @ARGV;
binmode STDIN;
binmode STDOUT;
local $/ = undef;
my $mail = <STDIN>;

sub content_of {
    my ($name) = @_;
    open my $file, '<:raw', "$home/$name" or die "$name: $!";
    return scalar <$file>;
}

my $smime = Crypt::SMIME->new();
$smime->setPrivateKey(content_of('key.pem'), content_of('own.pem')) if -e "$home/key.pem";
$smime->setPublicKey([content_of('others.pem')]) if -e "$home/others.pem";

my %verbs = (
    sign         => sub { $smime->sign($mail) },
    check        => sub { $smime->check($mail) },
    encrypt      => sub { $smime->encrypt($mail) },
    decrypt      => sub { $smime->decrypt($mail) },
    certificates => sub { join '', @{Crypt::SMIME::extractCertificates($mail, FORMAT_SMIME)} },
    signers      => sub { join '', @{Crypt::SMIME::getSigners($mail, FORMAT_SMIME)} },
);
print $verbs{$verb}->();
