import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Properties;
import javax.mail.Session;
import javax.mail.internet.InternetAddress;
import javax.mail.internet.MimeBodyPart;
import javax.mail.internet.MimeMessage;
import javax.mail.internet.MimeMultipart;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cms.RecipientInfoGenerator;
import org.bouncycastle.cms.SignerInfoGenerator;
import org.bouncycastle.cms.jcajce.ZlibCompressor;
import org.bouncycastle.cms.jcajce.ZlibExpanderProvider;
import org.bouncycastle.mail.smime.SMIMECompressed;
import org.bouncycastle.mail.smime.SMIMECompressedGenerator;
import org.bouncycastle.mail.smime.SMIMEEnveloped;
import org.bouncycastle.mail.smime.SMIMEEnvelopedGenerator;
import org.bouncycastle.mail.smime.SMIMESigned;
import org.bouncycastle.mail.smime.SMIMESignedGenerator;

/** Whole mails, by Bouncy Castle's own MIME. */
final class Mail {
    private static final Session SESSION = Session.getInstance(new Properties());

    private Mail() {}

    private static InputStream stream(byte[] octets) {
        return new ByteArrayInputStream(octets);
    }

    /** A mail of "kind" around the entity that is the "content". */
    static byte[] write(Peer.Question asked) throws Exception {
        MimeBodyPart entity = new MimeBodyPart(stream(asked.one("content")));
        switch (asked.text("kind")) {
            case "signed":
                return signed(entity, asked);
            case "enveloped":
                SMIMEEnvelopedGenerator enveloping = new SMIMEEnvelopedGenerator();
                for (RecipientInfoGenerator each : Recipients.all(asked)) {
                    enveloping.addRecipientInfoGenerator(each);
                }
                return mail(enveloping.generate(entity, Enveloping.encryptor(asked)));
            case "compressed":
                return mail(new SMIMECompressedGenerator().generate(entity, new ZlibCompressor()));
            default:
                throw new Peer.Refusal("unknown kind");
        }
    }

    private static byte[] signed(MimeBodyPart entity, Peer.Question asked) throws Exception {
        SMIMESignedGenerator generator = new SMIMESignedGenerator();
        for (SignerInfoGenerator each : Signing.signers(asked)) {
            generator.addSignerInfoGenerator(each);
        }
        for (byte[] each : asked.all("certificate")) {
            generator.addCertificates(
                    new JcaCertStore(Arrays.asList(new X509CertificateHolder(each))));
        }
        if (!asked.has("detached")) {
            return mail(generator.generateEncapsulated(entity));
        }
        MimeMultipart parts = generator.generate(entity);
        MimeMessage message = new MimeMessage(SESSION);
        message.setFrom(new InternetAddress("alice@example.org"));
        message.setContent(parts, parts.getContentType());
        message.saveChanges();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        message.writeTo(out);
        return out.toByteArray();
    }

    private static byte[] mail(MimeBodyPart part) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write("From: alice@example.org\r\nMIME-Version: 1.0\r\n".getBytes());
        part.writeTo(out);
        return out.toByteArray();
    }

    /** The entity within a mail of "kind": of a signed one, if all its signatures are good. */
    static byte[] read(Peer.Question asked) throws Exception {
        MimeMessage message = new MimeMessage(SESSION, stream(asked.one("cms")));
        switch (asked.text("kind")) {
            case "signed":
                return verify(message, asked);
            case "enveloped":
                SMIMEEnveloped enveloped = new SMIMEEnveloped(message);
                return Enveloping.open(enveloped.getRecipientInfos(), asked, false);
            case "compressed":
                return new SMIMECompressed(message).getContent(new ZlibExpanderProvider());
            default:
                throw new Peer.Refusal("unknown kind");
        }
    }

    private static byte[] verify(MimeMessage message, Peer.Question asked) throws Exception {
        SMIMESigned signed =
                message.isMimeType("multipart/signed")
                        ? new SMIMESigned((MimeMultipart) message.getContent())
                        : new SMIMESigned(message);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        signed.getContent().writeTo(out);
        return Signing.checkAll(
                out.toByteArray(), signed.getSignerInfos(), signed.getCertificates(), asked)[0];
    }
}
