<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ar" sourcelanguage="en">
<context>
    <name>AboutDialog</name>
    <message>
        <source>About Sfumato</source>
        <translation>حول Sfumato</translation>
    </message>
    <message>
        <source>Sfumato {version}</source>
        <translation>Sfumato {version}</translation>
    </message>
    <message>
        <source>A desktop studio for diffusion models: type a prompt, watch the noise become a picture, keep it, change it. Everything happens on this computer; nothing is sent anywhere.</source>
        <translation>استوديو مكتبي لنماذج الانتشار: اكتب وصفًا، وشاهد الضوضاء تصير صورة، واحتفظ بها أو غيّرها. كل شيء يجري على هذا الحاسوب، ولا يُرسَل شيء إلى أي مكان.</translation>
    </message>
    <message>
        <source>Licence: Apache 2.0. Icons: Lucide (ISC). Fonts: Noto Sans and Noto Sans Arabic (OFL 1.1). Window: Qt for Python (LGPL 3).</source>
        <translation>الرخصة: Apache 2.0. الأيقونات: Lucide ‏(ISC). الخطوط: Noto Sans وNoto Sans Arabic ‏(OFL 1.1). النوافذ: Qt for Python ‏(LGPL 3).</translation>
    </message>
</context>
<context>
    <name>ActionBar</name>
    <message>
        <source>Drag from here to put the picture into another program as a file.</source>
        <translation>اسحب من هنا لتضع الصورة ملفًا في برنامج آخر.</translation>
    </message>
    <message>
        <source>Drag the picture out</source>
        <translation>سحب الصورة إلى الخارج</translation>
    </message>
    <message>
        <source>Everything that can be done with the picture</source>
        <translation>كل ما يمكن فعله بالصورة</translation>
    </message>
    <message>
        <source>More</source>
        <translation>المزيد</translation>
    </message>
    <message>
        <source>Fit</source>
        <translation>ملاءمة</translation>
    </message>
    <message>
        <source>Show the whole picture. (0)</source>
        <translation>إظهار الصورة كاملة. (0)</translation>
    </message>
    <message>
        <source>100 %</source>
        <translation>100 %</translation>
    </message>
    <message>
        <source>One pixel of the screen for each of the picture. (1)</source>
        <translation>بكسل واحد من الشاشة لكل بكسل من الصورة. (1)</translation>
    </message>
    <message>
        <source>Zoom in</source>
        <translation>تكبير</translation>
    </message>
    <message>
        <source>Come closer. (+)</source>
        <translation>الاقتراب. (+)</translation>
    </message>
    <message>
        <source>Zoom out</source>
        <translation>تصغير</translation>
    </message>
    <message>
        <source>Go further away. (-)</source>
        <translation>الابتعاد. (-)</translation>
    </message>
    <message>
        <source>Compare</source>
        <translation>مقارنة</translation>
    </message>
    <message>
        <source>Show before and after, divided by a line that you drag.</source>
        <translation>إظهار ما قبل وما بعد يفصل بينهما خط تسحبه.</translation>
    </message>
    <message>
        <source>Second window</source>
        <translation>نافذة ثانية</translation>
    </message>
    <message>
        <source>Show the picture in a window of its own too, on the second screen where there is one.</source>
        <translation>إظهار الصورة في نافذة خاصة بها أيضًا، على الشاشة الثانية إن وُجدت.</translation>
    </message>
    <message>
        <source>Start from it</source>
        <translation>البدء منها</translation>
    </message>
    <message>
        <source>Make the next picture out of this one.</source>
        <translation>صنع الصورة التالية من هذه الصورة.</translation>
    </message>
    <message>
        <source>Variations</source>
        <translation>تنويعات</translation>
    </message>
    <message>
        <source>Make four pictures that are like this one.</source>
        <translation>صنع أربع صور تشبه هذه.</translation>
    </message>
    <message>
        <source>Second pass</source>
        <translation>مرور ثانٍ</translation>
    </message>
    <message>
        <source>Make it again at twice the size, with more detail.</source>
        <translation>صنعها مرة أخرى بضعف الحجم وبتفاصيل أكثر.</translation>
    </message>
    <message>
        <source>Copy</source>
        <translation>نسخ</translation>
    </message>
    <message>
        <source>Put the picture onto the clipboard.</source>
        <translation>وضع الصورة في الحافظة.</translation>
    </message>
    <message>
        <source>Save as…</source>
        <translation>حفظ باسم…</translation>
    </message>
    <message>
        <source>Save as PNG, JPEG or WebP with the recipe inside.</source>
        <translation>الحفظ بصيغة PNG أو JPEG أو WebP والوصفة في داخل الملف.</translation>
    </message>
    <message>
        <source>Save without the recipe…</source>
        <translation>حفظ بلا الوصفة…</translation>
    </message>
    <message>
        <source>Save the pixels alone: prompt, seed and model stay private.</source>
        <translation>حفظ البكسلات وحدها: يبقى الوصف والبذرة والنموذج سرًّا.</translation>
    </message>
</context>
<context>
    <name>Application</name>
    <message>
        <source>Welcome. Type what the picture shall show and press Generate: a model of icons is ready.</source>
        <translation>أهلًا بك. اكتب ما تريد أن تُظهره الصورة ثم اضغط «توليد»: نموذج للأيقونات جاهز.</translation>
    </message>
    <message>
        <source>Settings …</source>
        <translation>الإعدادات …</translation>
    </message>
    <message>
        <source>The model is in {path}.</source>
        <translation>النموذج في {path}.</translation>
    </message>
</context>
<context>
    <name>Attention</name>
    <message>
        <source>The queue is done</source>
        <translation>انتهت قائمة الانتظار</translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s) finished.</source>
        <translation>
            <numerusform>لم تكتمل أي صورة.</numerusform>
            <numerusform>اكتملت صورة واحدة.</numerusform>
            <numerusform>اكتملت صورتان.</numerusform>
            <numerusform>اكتملت %n صور.</numerusform>
            <numerusform>اكتملت %n صورة.</numerusform>
            <numerusform>اكتملت %n صورة.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>AxisEditor</name>
    <message>
        <source>Which setting differs along this side of the grid.</source>
        <translation>الإعداد الذي يختلف على امتداد هذا الجانب من الشبكة.</translation>
    </message>
    <message>
        <source>Nothing</source>
        <translation>لا شيء</translation>
    </message>
    <message>
        <source>Prompt words</source>
        <translation>كلمات الوصف</translation>
    </message>
    <message>
        <source>Negative prompt words</source>
        <translation>كلمات الوصف السلبي</translation>
    </message>
    <message>
        <source>Seed</source>
        <translation>البذرة</translation>
    </message>
    <message>
        <source>Steps</source>
        <translation>الخطوات</translation>
    </message>
    <message>
        <source>Guidance</source>
        <translation>التوجيه</translation>
    </message>
    <message>
        <source>Scheduler</source>
        <translation>المُجدوِل</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>النموذج</translation>
    </message>
    <message>
        <source>Values: {side}</source>
        <translation>القيم: {side}</translation>
    </message>
    <message>
        <source>Add a scheduler to the values</source>
        <translation>إضافة مُجدوِل إلى القيم</translation>
    </message>
    <message>
        <source>Words of the prompt, then what replaces them: apple, pear, plum</source>
        <translation>كلمات من الوصف، ثم ما يحل محلها: apple, pear, plum</translation>
    </message>
    <message>
        <source>Words of the negative prompt, then what replaces them</source>
        <translation>كلمات من الوصف السلبي، ثم ما يحل محلها</translation>
    </message>
    <message>
        <source>Such as 1, 2, 42 or 1-4</source>
        <translation>مثل 1, 2, 42 أو 1-4</translation>
    </message>
    <message>
        <source>Such as 5, 10, 20 or 10-30 (+5)</source>
        <translation>مثل 5, 10, 20 أو 10-30 (+5)</translation>
    </message>
    <message>
        <source>Such as 3, 5, 7.5 or 1-10 [4]</source>
        <translation>مثل 3, 5, 7.5 أو 1-10 [4]</translation>
    </message>
    <message>
        <source>Such as Euler, DPM++ 2M Karras</source>
        <translation>مثل Euler, DPM++ 2M Karras</translation>
    </message>
    <message>
        <source>Folders or files of models</source>
        <translation>مجلدات النماذج أو ملفاتها</translation>
    </message>
</context>
<context>
    <name>Banner</name>
    <message>
        <source>Close this message</source>
        <translation>إغلاق هذه الرسالة</translation>
    </message>
</context>
<context>
    <name>BoardMenus</name>
    <message>
        <source>All pictures</source>
        <translation>كل الصور</translation>
    </message>
    <message>
        <source>On no board</source>
        <translation>ليست على لوحة</translation>
    </message>
    <message>
        <source>New board…</source>
        <translation>لوحة جديدة…</translation>
    </message>
    <message>
        <source>Rename this board…</source>
        <translation>تغيير اسم هذه اللوحة…</translation>
    </message>
    <message>
        <source>Remove this board, keep its pictures</source>
        <translation>إزالة هذه اللوحة مع إبقاء صورها</translation>
    </message>
    <message>
        <source>No stars</source>
        <translation>بلا نجوم</translation>
    </message>
    <message>
        <source>Take off the board</source>
        <translation>إزالة من اللوحة</translation>
    </message>
    <message>
        <source>New board</source>
        <translation>لوحة جديدة</translation>
    </message>
    <message>
        <source>Name of the board</source>
        <translation>اسم اللوحة</translation>
    </message>
    <message>
        <source>Rename board</source>
        <translation>تغيير اسم اللوحة</translation>
    </message>
</context>
<context>
    <name>BranchBar</name>
    <message>
        <source>Prompt of the branch</source>
        <translation>وصف الفرع</translation>
    </message>
    <message>
        <source>What the picture shall become from this step on.</source>
        <translation>ما ستصير إليه الصورة من هذه الخطوة فصاعدًا.</translation>
    </message>
    <message>
        <source>Scheduler of the branch</source>
        <translation>مُجدوِل الفرع</translation>
    </message>
    <message>
        <source>Who takes the remaining steps.</source>
        <translation>من يتولى الخطوات الباقية.</translation>
    </message>
    <message>
        <source>Guidance of the branch</source>
        <translation>توجيه الفرع</translation>
    </message>
    <message>
        <source>How closely the remaining steps follow the prompt.</source>
        <translation>مدى التزام الخطوات الباقية بالوصف.</translation>
    </message>
    <message>
        <source>Seed of the branch</source>
        <translation>بذرة الفرع</translation>
    </message>
    <message>
        <source>Decides the noise that the remaining steps add, where the scheduler adds any.</source>
        <translation>تحدد الضوضاء التي تضيفها الخطوات الباقية إن كان المُجدوِل يضيف شيئًا منها.</translation>
    </message>
    <message>
        <source>Branch from this step</source>
        <translation>التفرع من هذه الخطوة</translation>
    </message>
    <message>
        <source>Another scheduler goes on at its noise level nearest to this step&apos;s.</source>
        <translation>يواصل مُجدوِل آخر من مستوى الضوضاء الأقرب عنده إلى مستوى هذه الخطوة.</translation>
    </message>
    <message>
        <source>The steps up to this one stay; the rest follow the new values.</source>
        <translation>تبقى الخطوات حتى هذه كما هي، وتتبع البقية القيم الجديدة.</translation>
    </message>
    <message>
        <source>With nothing changed, the branch gives the same picture, pixel for pixel.</source>
        <translation>إن لم يتغير شيء أعطى الفرع الصورة نفسها بكسلًا ببكسل.</translation>
    </message>
    <message>
        <source>Guidance</source>
        <translation>التوجيه</translation>
    </message>
    <message>
        <source>Seed</source>
        <translation>البذرة</translation>
    </message>
</context>
<context>
    <name>Canvas</name>
    <message>
        <source>Begin with a picture</source>
        <translation>البدء بصورة</translation>
    </message>
    <message>
        <source>Pictures (*.png *.jpg *.jpeg *.webp *.bmp *.gif *.tif *.tiff)</source>
        <translation>صور (*.png *.jpg *.jpeg *.webp *.bmp *.gif *.tif *.tiff)</translation>
    </message>
    <message>
        <source>Branch</source>
        <translation>تفرّع</translation>
    </message>
    <message>
        <source>Start again from the step shown, with another prompt, scheduler, guidance or seed.</source>
        <translation>البدء من جديد من الخطوة الظاهرة بوصف أو مُجدوِل أو توجيه أو بذرة أخرى.</translation>
    </message>
    <message>
        <source>Branch from step {step}</source>
        <translation>التفرع من الخطوة {step}</translation>
    </message>
    <message>
        <source>Choose a step to branch from</source>
        <translation>اختر خطوة للتفرع منها</translation>
    </message>
    <message>
        <source>Paste a picture as a start</source>
        <translation>لصق صورة لتكون البداية</translation>
    </message>
    <message>
        <source>{number} ms per step</source>
        <translation>{number} مللي ثانية لكل خطوة</translation>
    </message>
    <message>
        <source>{number} s per step</source>
        <translation>{number} ثانية لكل خطوة</translation>
    </message>
    <message>
        <source>{number} s left</source>
        <translation>بقيت {number} ثانية</translation>
    </message>
    <message>
        <source>{minutes} min {seconds} s left</source>
        <translation>بقيت {minutes} دقيقة و{seconds} ثانية</translation>
    </message>
    <message>
        <source>{hours} h {minutes} min left</source>
        <translation>بقيت {hours} ساعة و{minutes} دقيقة</translation>
    </message>
</context>
<context>
    <name>CanvasView</name>
    <message>
        <source>Picture</source>
        <translation>الصورة</translation>
    </message>
    <message>
        <source>Plus and minus zoom, 0 fits the picture, 1 shows its own size, the arrow keys move it.</source>
        <translation>زائد وناقص للتكبير والتصغير، و0 لملاءمة الصورة، و1 لحجمها الأصلي، وأسهم لوحة المفاتيح لتحريكها.</translation>
    </message>
    <message>
        <source>Before</source>
        <translation>قبل</translation>
    </message>
    <message>
        <source>After</source>
        <translation>بعد</translation>
    </message>
</context>
<context>
    <name>Card</name>
    <message>
        <source>Shown; press to fold</source>
        <translation>ظاهر؛ اضغط للطي</translation>
    </message>
    <message>
        <source>Folded; press to show</source>
        <translation>مطوي؛ اضغط للإظهار</translation>
    </message>
</context>
<context>
    <name>CardRow</name>
    <message>
        <source>Needs about {memory} of memory; does well with {steps} steps and guidance {guidance}.</source>
        <translation>يحتاج إلى نحو {memory} من الذاكرة؛ يناسبه {steps} خطوة وتوجيه {guidance}.</translation>
    </message>
    <message>
        <source>Look at size and licence, then download</source>
        <translation>عرض الحجم والرخصة ثم التنزيل</translation>
    </message>
    <message>
        <source>Download {title}</source>
        <translation>تنزيل {title}</translation>
    </message>
</context>
<context>
    <name>CrashDialog</name>
    <message>
        <source>Something went wrong in Sfumato</source>
        <translation>حدث خطأ في Sfumato</translation>
    </message>
    <message>
        <source>This is an error of the program, not yours. Finished pictures and the queue are kept; you can go on. The report below helps to mend it; it holds no prompts unless an error names one.</source>
        <translation>هذا خطأ من البرنامج لا منك. الصور المكتملة وقائمة الانتظار محفوظة، ويمكنك المتابعة. يساعد التقرير أدناه على إصلاحه، ولا يحوي أوصافًا إلا إن ذكر الخطأ واحدًا منها.</translation>
    </message>
    <message>
        <source>Report</source>
        <translation>التقرير</translation>
    </message>
    <message>
        <source>Copy the report</source>
        <translation>نسخ التقرير</translation>
    </message>
    <message>
        <source>Open the log file</source>
        <translation>فتح ملف السجل</translation>
    </message>
    <message>
        <source>Go on</source>
        <translation>متابعة</translation>
    </message>
    <message>
        <source>Copied</source>
        <translation>نُسخ</translation>
    </message>
</context>
<context>
    <name>DockTitle</name>
    <message>
        <source>Take this panel out of the window, or put it back</source>
        <translation>إخراج هذه اللوحة من النافذة أو إعادتها</translation>
    </message>
    <message>
        <source>Close this panel; the View menu brings it back</source>
        <translation>إغلاق هذه اللوحة؛ تعيدها قائمة «عرض»</translation>
    </message>
</context>
<context>
    <name>DownloadRow</name>
    <message>
        <source>Progress of {title}</source>
        <translation>تقدم {title}</translation>
    </message>
    <message>
        <source>Pause</source>
        <translation>إيقاف مؤقت</translation>
    </message>
    <message>
        <source>Go on</source>
        <translation>متابعة</translation>
    </message>
    <message>
        <source>Show it in the library</source>
        <translation>إظهاره في المكتبة</translation>
    </message>
    <message>
        <source>Take it from this list</source>
        <translation>إزالته من هذه القائمة</translation>
    </message>
    <message>
        <source>Give up and delete what is there</source>
        <translation>التخلي عنه وحذف ما نزل منه</translation>
    </message>
    <message>
        <source>{done} of {total}</source>
        <translation>{done} من {total}</translation>
    </message>
    <message>
        <source>In the library, {size}</source>
        <translation>في المكتبة، {size}</translation>
    </message>
    <message>
        <source>Paused at {amount}</source>
        <translation>متوقف عند {amount}</translation>
    </message>
    <message>
        <source>Comparing the hash</source>
        <translation>مقارنة البصمة</translation>
    </message>
    <message>
        <source>Waiting for its turn</source>
        <translation>ينتظر دوره</translation>
    </message>
    <message>
        <source>{size} per second</source>
        <translation>{size} في الثانية</translation>
    </message>
    <message numerus="yes">
        <source>%n hour(s) left</source>
        <translation>
            <numerusform>بقي وقت قصير</numerusform>
            <numerusform>بقيت ساعة واحدة</numerusform>
            <numerusform>بقيت ساعتان</numerusform>
            <numerusform>بقيت %n ساعات</numerusform>
            <numerusform>بقيت %n ساعة</numerusform>
            <numerusform>بقيت %n ساعة</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n minute(s) left</source>
        <translation>
            <numerusform>بقي أقل من دقيقة</numerusform>
            <numerusform>بقيت دقيقة واحدة</numerusform>
            <numerusform>بقيت دقيقتان</numerusform>
            <numerusform>بقيت %n دقائق</numerusform>
            <numerusform>بقيت %n دقيقة</numerusform>
            <numerusform>بقيت %n دقيقة</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n second(s) left</source>
        <translation>
            <numerusform>بقيت لحظة</numerusform>
            <numerusform>بقيت ثانية واحدة</numerusform>
            <numerusform>بقيت ثانيتان</numerusform>
            <numerusform>بقيت %n ثوانٍ</numerusform>
            <numerusform>بقيت %n ثانية</numerusform>
            <numerusform>بقيت %n ثانية</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>DownloadsPage</name>
    <message>
        <source>Access token …</source>
        <translation>رمز الوصول …</translation>
    </message>
    <message>
        <source>Some models ask for an account. Its token is kept in this computer&apos;s keyring and nowhere else.</source>
        <translation>تطلب بعض النماذج حسابًا. يُحفظ رمزه في حلقة مفاتيح هذا الحاسوب ولا يُحفظ في غيرها.</translation>
    </message>
    <message>
        <source>Models to begin with</source>
        <translation>نماذج للبداية</translation>
    </message>
    <message>
        <source>owner/name of the hub, or a link</source>
        <translation>owner/name من الموقع، أو رابط</translation>
    </message>
    <message>
        <source>What to download</source>
        <translation>ما تريد تنزيله</translation>
    </message>
    <message>
        <source>A repository such as owner/name, a file of it as owner/name:file, or a link that begins with https.</source>
        <translation>مستودع مثل owner/name، أو ملف منه مثل owner/name:file، أو رابط يبدأ بـ https.</translation>
    </message>
    <message>
        <source>Look up</source>
        <translation>بحث</translation>
    </message>
    <message>
        <source>Token of the hub; leave it empty to forget the one that is kept</source>
        <translation>رمز الموقع؛ اتركه فارغًا لنسيان الرمز المحفوظ</translation>
    </message>
    <message>
        <source>Access token</source>
        <translation>رمز الوصول</translation>
    </message>
</context>
<context>
    <name>EmptyCanvas</name>
    <message>
        <source>Type what you want to see and press Generate, or begin with a picture of yours.</source>
        <translation>اكتب ما تريد أن تراه واضغط «توليد»، أو ابدأ بصورة من عندك.</translation>
    </message>
    <message>
        <source>Begin with a picture</source>
        <translation>البدء بصورة</translation>
    </message>
</context>
<context>
    <name>ExportDialog</name>
    <message>
        <source>Copy pictures</source>
        <translation>نسخ الصور</translation>
    </message>
    <message numerus="yes">
        <source>Copy %n picture(s)</source>
        <translation>
            <numerusform>لا صور للنسخ</numerusform>
            <numerusform>نسخ صورة واحدة</numerusform>
            <numerusform>نسخ صورتين</numerusform>
            <numerusform>نسخ %n صور</numerusform>
            <numerusform>نسخ %n صورة</numerusform>
            <numerusform>نسخ %n صورة</numerusform>
        </translation>
    </message>
    <message>
        <source>Folder</source>
        <translation>المجلد</translation>
    </message>
    <message>
        <source>Where the copies go; it is made if it is not there.</source>
        <translation>حيث توضع النسخ؛ يُنشأ إن لم يكن موجودًا.</translation>
    </message>
    <message>
        <source>Choose…</source>
        <translation>اختيار…</translation>
    </message>
    <message>
        <source>Format</source>
        <translation>الصيغة</translation>
    </message>
    <message>
        <source>JPEG and WebP are smaller; PNG keeps every pixel.</source>
        <translation>JPEG وWebP أصغر، وPNG يحفظ كل بكسل.</translation>
    </message>
    <message>
        <source>As they are</source>
        <translation>كما هي</translation>
    </message>
    <message>
        <source>Keep the recipe inside</source>
        <translation>إبقاء الوصفة في الداخل</translation>
    </message>
    <message>
        <source>Prompt and settings are in the file, and whoever gets it can read them.</source>
        <translation>الوصف والإعدادات في الملف، ويستطيع من يصله أن يقرأها.</translation>
    </message>
    <message>
        <source>Copy</source>
        <translation>نسخ</translation>
    </message>
    <message>
        <source>Where the copies go</source>
        <translation>حيث توضع النسخ</translation>
    </message>
</context>
<context>
    <name>Failures</name>
    <message>
        <source>The pictures folder {folder} is not there; connect its drive, make it, or choose another.</source>
        <translation>مجلد الصور {folder} غير موجود؛ صِل قرصه، أو أنشئه، أو اختر غيره.</translation>
    </message>
    <message>
        <source>The pictures folder {folder} cannot be written to; allow that, or choose another.</source>
        <translation>لا يمكن الكتابة في مجلد الصور {folder}؛ اسمح بذلك، أو اختر غيره.</translation>
    </message>
</context>
<context>
    <name>FilterForm</name>
    <message>
        <source>Model</source>
        <translation>النموذج</translation>
    </message>
    <message>
        <source>Show only pictures that this model made.</source>
        <translation>إظهار الصور التي صنعها هذا النموذج فقط.</translation>
    </message>
    <message>
        <source>Scheduler</source>
        <translation>المُجدوِل</translation>
    </message>
    <message>
        <source>Show only pictures made with this scheduler.</source>
        <translation>إظهار الصور التي صُنعت بهذا المُجدوِل فقط.</translation>
    </message>
    <message>
        <source>Seed</source>
        <translation>البذرة</translation>
    </message>
    <message>
        <source>Show only pictures of this seed.</source>
        <translation>إظهار صور هذه البذرة فقط.</translation>
    </message>
    <message>
        <source>Any</source>
        <translation>الكل</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>الحجم</translation>
    </message>
    <message>
        <source>Show only pictures of this width and height in pixels, such as 512x768.</source>
        <translation>إظهار الصور التي لها هذا العرض والارتفاع بالبكسل فقط، مثل 512x768.</translation>
    </message>
    <message>
        <source>Made</source>
        <translation>تاريخ الصنع</translation>
    </message>
    <message>
        <source>Show only pictures made in this time.</source>
        <translation>إظهار الصور التي صُنعت في هذه المدة فقط.</translation>
    </message>
    <message>
        <source>Any time</source>
        <translation>أي وقت</translation>
    </message>
    <message>
        <source>Today</source>
        <translation>اليوم</translation>
    </message>
    <message>
        <source>Last 7 days</source>
        <translation>آخر 7 أيام</translation>
    </message>
    <message>
        <source>Last 30 days</source>
        <translation>آخر 30 يومًا</translation>
    </message>
    <message>
        <source>From … to …</source>
        <translation>من … إلى …</translation>
    </message>
    <message>
        <source>First day</source>
        <translation>أول يوم</translation>
    </message>
    <message>
        <source>Last day</source>
        <translation>آخر يوم</translation>
    </message>
    <message>
        <source>At least so many stars</source>
        <translation>هذا العدد من النجوم على الأقل</translation>
    </message>
    <message>
        <source>Show only pictures with at least so many stars.</source>
        <translation>إظهار الصور التي لها هذا العدد من النجوم على الأقل.</translation>
    </message>
    <message>
        <source>Show all pictures</source>
        <translation>إظهار كل الصور</translation>
    </message>
</context>
<context>
    <name>GalleryModel</name>
    <message numerus="yes">
        <source>%n star(s)</source>
        <translation>
            <numerusform>بلا نجوم</numerusform>
            <numerusform>نجمة واحدة</numerusform>
            <numerusform>نجمتان</numerusform>
            <numerusform>%n نجوم</numerusform>
            <numerusform>%n نجمة</numerusform>
            <numerusform>%n نجمة</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>GalleryPanel</name>
    <message>
        <source>Filter by model, scheduler, seed, size, date, rating</source>
        <translation>التصفية بحسب النموذج والمُجدوِل والبذرة والحجم والتاريخ والتقييم</translation>
    </message>
    <message>
        <source>Pictures</source>
        <translation>الصور</translation>
    </message>
    <message>
        <source>Search prompts</source>
        <translation>بحث في الأوصاف</translation>
    </message>
    <message>
        <source>Shows the pictures whose prompts have all of these words, or their beginnings.</source>
        <translation>يُظهر الصور التي في أوصافها كل هذه الكلمات أو بداياتها.</translation>
    </message>
    <message>
        <source>Boards are collections of pictures; choose which one is shown.</source>
        <translation>اللوحات مجموعات من الصور؛ اختر أيها يظهر.</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>تراجع</translation>
    </message>
    <message>
        <source>Brings the pictures back from the trash.</source>
        <translation>يعيد الصور من سلة المهملات.</translation>
    </message>
    <message>
        <source>Rate the chosen pictures</source>
        <translation>تقييم الصور المختارة</translation>
    </message>
    <message>
        <source>Put the chosen pictures on a board</source>
        <translation>وضع الصور المختارة على لوحة</translation>
    </message>
    <message>
        <source>Copy the chosen pictures to a folder</source>
        <translation>نسخ الصور المختارة إلى مجلد</translation>
    </message>
    <message>
        <source>Move the chosen pictures to the trash</source>
        <translation>نقل الصور المختارة إلى سلة المهملات</translation>
    </message>
    <message>
        <source>Open the folder with the pictures</source>
        <translation>فتح المجلد الذي فيه الصور</translation>
    </message>
    <message>
        <source>Move to trash</source>
        <translation>نقل إلى سلة المهملات</translation>
    </message>
    <message>
        <source>Larger</source>
        <translation>أكبر</translation>
    </message>
    <message>
        <source>Smaller</source>
        <translation>أصغر</translation>
    </message>
    <message numerus="yes">
        <source>%n star(s)</source>
        <translation>
            <numerusform>بلا نجوم</numerusform>
            <numerusform>نجمة واحدة</numerusform>
            <numerusform>نجمتان</numerusform>
            <numerusform>%n نجوم</numerusform>
            <numerusform>%n نجمة</numerusform>
            <numerusform>%n نجمة</numerusform>
        </translation>
    </message>
    <message>
        <source>All pictures</source>
        <translation>كل الصور</translation>
    </message>
    <message>
        <source>On no board</source>
        <translation>ليست على لوحة</translation>
    </message>
    <message>
        <source>Board shown: {name}</source>
        <translation>اللوحة الظاهرة: {name}</translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s) chosen</source>
        <translation>
            <numerusform>لم تُختَر أي صورة</numerusform>
            <numerusform>اختيرت صورة واحدة</numerusform>
            <numerusform>اختيرت صورتان</numerusform>
            <numerusform>اختيرت %n صور</numerusform>
            <numerusform>اختيرت %n صورة</numerusform>
            <numerusform>اختيرت %n صورة</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s)</source>
        <translation>
            <numerusform>لا صور</numerusform>
            <numerusform>صورة واحدة</numerusform>
            <numerusform>صورتان</numerusform>
            <numerusform>%n صور</numerusform>
            <numerusform>%n صورة</numerusform>
            <numerusform>%n صورة</numerusform>
        </translation>
    </message>
    <message>
        <source>Try again</source>
        <translation>إعادة المحاولة</translation>
    </message>
    <message>
        <source>No picture is like that.</source>
        <translation>لا صورة من هذا النوع.</translation>
    </message>
    <message>
        <source>Show all pictures</source>
        <translation>إظهار كل الصور</translation>
    </message>
    <message>
        <source>Pictures you make appear here. Drop one from any program to see its recipe.</source>
        <translation>تظهر هنا الصور التي تصنعها. أفلت صورة من أي برنامج لترى وصفتها.</translation>
    </message>
    <message>
        <source>Open the pictures folder</source>
        <translation>فتح مجلد الصور</translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s) moved to the trash.</source>
        <translation>
            <numerusform>لم تُنقَل أي صورة إلى سلة المهملات.</numerusform>
            <numerusform>نُقلت صورة واحدة إلى سلة المهملات.</numerusform>
            <numerusform>نُقلت صورتان إلى سلة المهملات.</numerusform>
            <numerusform>نُقلت %n صور إلى سلة المهملات.</numerusform>
            <numerusform>نُقلت %n صورة إلى سلة المهملات.</numerusform>
            <numerusform>نُقلت %n صورة إلى سلة المهملات.</numerusform>
        </translation>
    </message>
    <message>
        <source>Open the folder</source>
        <translation>فتح المجلد</translation>
    </message>
    <message>
        <source>Show large</source>
        <translation>عرض كبير</translation>
    </message>
    <message>
        <source>Start from this picture</source>
        <translation>البدء من هذه الصورة</translation>
    </message>
    <message>
        <source>Rate</source>
        <translation>تقييم</translation>
    </message>
    <message>
        <source>Put on a board</source>
        <translation>وضع على لوحة</translation>
    </message>
    <message>
        <source>Copy to a folder…</source>
        <translation>نسخ إلى مجلد…</translation>
    </message>
</context>
<context>
    <name>GalleryState</name>
    <message numerus="yes">
        <source>{first} The same goes for %n more.</source>
        <translation>
            <numerusform>{first} ولا ينطبق ذلك على غيرها.</numerusform>
            <numerusform>{first} وينطبق ذلك على واحدة أخرى.</numerusform>
            <numerusform>{first} وينطبق ذلك على اثنتين أخريين.</numerusform>
            <numerusform>{first} وينطبق ذلك على %n أخرى.</numerusform>
            <numerusform>{first} وينطبق ذلك على %n أخرى.</numerusform>
            <numerusform>{first} وينطبق ذلك على %n أخرى.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s) brought back.</source>
        <translation>
            <numerusform>لم تُستعَد أي صورة.</numerusform>
            <numerusform>استُعيدت صورة واحدة.</numerusform>
            <numerusform>استُعيدت صورتان.</numerusform>
            <numerusform>استُعيدت %n صور.</numerusform>
            <numerusform>استُعيدت %n صورة.</numerusform>
            <numerusform>استُعيدت %n صورة.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s) copied to {folder}.</source>
        <translation>
            <numerusform>لم تُنسَخ أي صورة إلى {folder}.</numerusform>
            <numerusform>نُسخت صورة واحدة إلى {folder}.</numerusform>
            <numerusform>نُسخت صورتان إلى {folder}.</numerusform>
            <numerusform>نُسخت %n صور إلى {folder}.</numerusform>
            <numerusform>نُسخت %n صورة إلى {folder}.</numerusform>
            <numerusform>نُسخت %n صورة إلى {folder}.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>GridPanel</name>
    <message>
        <source>Across</source>
        <translation>أفقيًّا</translation>
    </message>
    <message>
        <source>Down</source>
        <translation>رأسيًّا</translation>
    </message>
    <message>
        <source>Size of the grid</source>
        <translation>حجم الشبكة</translation>
    </message>
    <message>
        <source>Progress of the grid</source>
        <translation>تقدم الشبكة</translation>
    </message>
    <message>
        <source>Make grid</source>
        <translation>صنع الشبكة</translation>
    </message>
    <message>
        <source>Puts all pictures into the queue and joins them in one sheet at the end.</source>
        <translation>يضع كل الصور في قائمة الانتظار ويجمعها في النهاية في لوح واحد.</translation>
    </message>
    <message>
        <source>Swap across and down</source>
        <translation>تبديل الأفقي والرأسي</translation>
    </message>
    <message>
        <source>Show the sheet</source>
        <translation>إظهار اللوح</translation>
    </message>
    <message>
        <source>Choose what differs along a side of the grid.</source>
        <translation>اختر ما يختلف على أحد جانبي الشبكة.</translation>
    </message>
    <message>
        <source>Type values for both sides, divided by commas.</source>
        <translation>اكتب قيمًا للجانبين تفصل بينها فواصل.</translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s), and a sheet of them all.</source>
        <translation>
            <numerusform>لا صور</numerusform>
            <numerusform>صورة واحدة ولوح يجمعها.</numerusform>
            <numerusform>صورتان ولوح يجمعهما.</numerusform>
            <numerusform>%n صور ولوح يجمعها كلها.</numerusform>
            <numerusform>%n صورة ولوح يجمعها كلها.</numerusform>
            <numerusform>%n صورة ولوح يجمعها كلها.</numerusform>
        </translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>إلغاء</translation>
    </message>
    <message>
        <source>{done} of {total} pictures made</source>
        <translation>صُنعت {done} من {total} صورة</translation>
    </message>
    <message>
        <source>The sheet is saved as {name}.</source>
        <translation>حُفظ اللوح باسم {name}.</translation>
    </message>
</context>
<context>
    <name>GridState</name>
    <message>
        <source>Cancelled</source>
        <translation>أُلغي</translation>
    </message>
    <message>
        <source>No picture of the grid was made: {reason}</source>
        <translation>لم تُصنع أي صورة من الشبكة: {reason}</translation>
    </message>
</context>
<context>
    <name>HistoryPopup</name>
    <message>
        <source>Search prompts used before</source>
        <translation>بحث في الأوصاف السابقة</translation>
    </message>
    <message>
        <source>Prompts used before</source>
        <translation>الأوصاف السابقة</translation>
    </message>
    <message>
        <source>Prompts appear here once you have made a picture with them.</source>
        <translation>تظهر الأوصاف هنا بعد أن تصنع صورة بها.</translation>
    </message>
</context>
<context>
    <name>Intake</name>
    <message numerus="yes">
        <source>%n picture(s) were opened; the first one is shown.</source>
        <translation>
            <numerusform>لم تُفتح أي صورة.</numerusform>
            <numerusform>فُتحت صورة واحدة، وهي المعروضة.</numerusform>
            <numerusform>فُتحت صورتان؛ المعروضة هي الأولى.</numerusform>
            <numerusform>فُتحت %n صور؛ المعروضة هي الأولى.</numerusform>
            <numerusform>فُتحت %n صورة؛ المعروضة هي الأولى.</numerusform>
            <numerusform>فُتحت %n صورة؛ المعروضة هي الأولى.</numerusform>
        </translation>
    </message>
    <message>
        <source>Copy them into the gallery</source>
        <translation>انسخها إلى المعرض</translation>
    </message>
    <message>
        <source>{name} is no picture, model, recipe or styles.csv; choose one of these.</source>
        <translation>الملف {name} ليس صورة ولا نموذجًا ولا وصفة ولا styles.csv؛ اختر واحدًا منها.</translation>
    </message>
    <message>
        <source>Open a picture or recipe</source>
        <translation>فتح صورة أو وصفة</translation>
    </message>
    <message>
        <source>Pictures, recipes and styles</source>
        <translation>صور ووصفات وأنماط</translation>
    </message>
    <message>
        <source>Import styles</source>
        <translation>استيراد أنماط</translation>
    </message>
    <message>
        <source>Styles of A1111</source>
        <translation>أنماط A1111</translation>
    </message>
    <message>
        <source>The text holds no recipe that is known here; paste it as a prompt instead.</source>
        <translation>لا يحوي النص وصفة معروفة هنا؛ الصقه وصفًا للصورة بدلًا من ذلك.</translation>
    </message>
    <message>
        <source>The recipe was taken over, except for this: {reasons}</source>
        <translation>أُخذت الوصفة ما عدا هذا: {reasons}</translation>
    </message>
    <message>
        <source>The recipe was taken over.</source>
        <translation>أُخذت الوصفة.</translation>
    </message>
    <message>
        <source>The picture holds no recipe.</source>
        <translation>لا تحوي الصورة وصفة.</translation>
    </message>
    <message>
        <source>The picture holds its recipe.</source>
        <translation>تحوي الصورة وصفتها.</translation>
    </message>
    <message>
        <source>Use everything</source>
        <translation>استعمال كل شيء</translation>
    </message>
    <message>
        <source>Use the prompt</source>
        <translation>استعمال الوصف</translation>
    </message>
    <message numerus="yes">
        <source>%n style(s) added</source>
        <translation>
            <numerusform>لم يُضَف أي نمط</numerusform>
            <numerusform>أُضيف نمط واحد</numerusform>
            <numerusform>أُضيف نمطان</numerusform>
            <numerusform>أُضيفت %n أنماط</numerusform>
            <numerusform>أُضيف %n نمطًا</numerusform>
            <numerusform>أُضيف %n نمط</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>LibraryDetails</name>
    <message>
        <source>Preview picture</source>
        <translation>صورة المعاينة</translation>
    </message>
    <message>
        <source>Use</source>
        <translation>استعمال</translation>
    </message>
    <message>
        <source>Show the pictures that this made</source>
        <translation>إظهار الصور التي صنعها</translation>
    </message>
    <message>
        <source>Show the file in its folder</source>
        <translation>إظهار الملف في مجلده</translation>
    </message>
    <message>
        <source>Rename</source>
        <translation>تغيير الاسم</translation>
    </message>
    <message>
        <source>Convert to another precision or form</source>
        <translation>تحويل إلى دقة أخرى أو شكل آخر</translation>
    </message>
    <message>
        <source>Move to the trash</source>
        <translation>نقل إلى سلة المهملات</translation>
    </message>
    <message>
        <source>One file in {precision} …</source>
        <translation>ملف واحد بدقة {precision} …</translation>
    </message>
    <message>
        <source>Folder of Diffusers in {precision} …</source>
        <translation>مجلد Diffusers بدقة {precision} …</translation>
    </message>
    <message>
        <source>Text to image</source>
        <translation>نص إلى صورة</translation>
    </message>
    <message>
        <source>Inpainting</source>
        <translation>الرسم داخل صورة</translation>
    </message>
    <message>
        <source>Editing by instruction</source>
        <translation>التعديل بالتعليمات</translation>
    </message>
    <message>
        <source>Depth to image</source>
        <translation>عمق إلى صورة</translation>
    </message>
    <message>
        <source>Upscaling</source>
        <translation>التكبير</translation>
    </message>
    <message>
        <source>Noise (epsilon)</source>
        <translation>الضوضاء (epsilon)</translation>
    </message>
    <message>
        <source>Velocity (v)</source>
        <translation>السرعة (v)</translation>
    </message>
    <message>
        <source>Kind</source>
        <translation>النوع</translation>
    </message>
    <message>
        <source>Family</source>
        <translation>العائلة</translation>
    </message>
    <message>
        <source>Trained for</source>
        <translation>دُرِّب من أجل</translation>
    </message>
    <message>
        <source>Predicts</source>
        <translation>يتنبأ بـ</translation>
    </message>
    <message>
        <source>Trigger words; press one to put it into the prompt</source>
        <translation>كلمات الاستدعاء؛ اضغط إحداها لتضعها في الوصف</translation>
    </message>
    <message>
        <source>Notes</source>
        <translation>ملاحظات</translation>
    </message>
    <message>
        <source>What you want to remember about this model</source>
        <translation>ما تريد أن تتذكره عن هذا النموذج</translation>
    </message>
    <message>
        <source>File and metadata</source>
        <translation>الملف وبياناته الوصفية</translation>
    </message>
    <message>
        <source>Compute hashes</source>
        <translation>حساب البصمات</translation>
    </message>
    <message>
        <source>Model sites and pictures of other programs name a file by them.</source>
        <translation>تسمي مواقع النماذج وصور البرامج الأخرى الملف بها.</translation>
    </message>
    <message>
        <source>Where the program takes the file for something else, your word counts.</source>
        <translation>إن ظن البرنامج الملف شيئًا آخر فالقول قولك.</translation>
    </message>
    <message>
        <source>As detected</source>
        <translation>كما اكتُشف</translation>
    </message>
    <message>
        <source>Set the type</source>
        <translation>تحديد النوع</translation>
    </message>
    <message>
        <source>predicts velocity</source>
        <translation>يتنبأ بالسرعة</translation>
    </message>
    <message>
        <source>Put into the prompt</source>
        <translation>وضع في الوصف</translation>
    </message>
    <message>
        <source>Use as autoencoder</source>
        <translation>استعمال مرمّزًا ذاتيًّا</translation>
    </message>
    <message>
        <source>Path</source>
        <translation>المسار</translation>
    </message>
    <message>
        <source>Changed</source>
        <translation>تاريخ التغيير</translation>
    </message>
    <message>
        <source>Made from</source>
        <translation>صُنع من</translation>
    </message>
    <message>
        <source>Licence</source>
        <translation>الرخصة</translation>
    </message>
    <message>
        <source>Source</source>
        <translation>المصدر</translation>
    </message>
    <message>
        <source>Description</source>
        <translation>الشرح</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>الاسم</translation>
    </message>
    <message>
        <source>Weights</source>
        <translation>الأوزان</translation>
    </message>
    <message>
        <source>Convert</source>
        <translation>تحويل</translation>
    </message>
</context>
<context>
    <name>LibraryPanel</name>
    <message>
        <source>Models</source>
        <translation>النماذج</translation>
    </message>
    <message>
        <source>Downloads</source>
        <translation>التنزيلات</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>تراجع</translation>
    </message>
    <message>
        <source>Brings the model back from the trash.</source>
        <translation>يعيد النموذج من سلة المهملات.</translation>
    </message>
    <message>
        <source>Search models</source>
        <translation>بحث في النماذج</translation>
    </message>
    <message>
        <source>Looks through names, titles, trigger words and your notes.</source>
        <translation>يبحث في الأسماء والعناوين وكلمات الاستدعاء وملاحظاتك.</translation>
    </message>
    <message>
        <source>Show as pictures or as a list</source>
        <translation>العرض صورًا أو قائمة</translation>
    </message>
    <message>
        <source>Look at the folders again</source>
        <translation>فحص المجلدات مرة أخرى</translation>
    </message>
    <message>
        <source>Add a folder of models</source>
        <translation>إضافة مجلد نماذج</translation>
    </message>
    <message>
        <source>Kind</source>
        <translation>النوع</translation>
    </message>
    <message>
        <source>Shows only models of this kind.</source>
        <translation>يُظهر نماذج هذا النوع فقط.</translation>
    </message>
    <message>
        <source>All kinds</source>
        <translation>كل الأنواع</translation>
    </message>
    <message>
        <source>Family</source>
        <translation>العائلة</translation>
    </message>
    <message>
        <source>Shows only models of this family.</source>
        <translation>يُظهر نماذج هذه العائلة فقط.</translation>
    </message>
    <message>
        <source>Order</source>
        <translation>الترتيب</translation>
    </message>
    <message>
        <source>In which order models are shown.</source>
        <translation>ترتيب ظهور النماذج.</translation>
    </message>
    <message>
        <source>By name</source>
        <translation>بحسب الاسم</translation>
    </message>
    <message>
        <source>Newest first</source>
        <translation>الأحدث أولًا</translation>
    </message>
    <message>
        <source>Largest first</source>
        <translation>الأكبر أولًا</translation>
    </message>
    <message>
        <source>By family</source>
        <translation>بحسب العائلة</translation>
    </message>
    <message>
        <source>Move to trash</source>
        <translation>نقل إلى سلة المهملات</translation>
    </message>
    <message>
        <source>Rename</source>
        <translation>تغيير الاسم</translation>
    </message>
    <message>
        <source>{name} is in the trash.</source>
        <translation>صار {name} في سلة المهملات.</translation>
    </message>
    <message>
        <source>{name} is in the system&apos;s trash; put it back from there if you miss it.</source>
        <translation>صار {name} في سلة مهملات النظام؛ أعده منها إن افتقدته.</translation>
    </message>
    <message numerus="yes">
        <source>%n model(s)</source>
        <translation>
            <numerusform>لا نماذج</numerusform>
            <numerusform>نموذج واحد</numerusform>
            <numerusform>نموذجان</numerusform>
            <numerusform>%n نماذج</numerusform>
            <numerusform>%n نموذجًا</numerusform>
            <numerusform>%n نموذج</numerusform>
        </translation>
    </message>
    <message>
        <source>No model fits the search and the filters.</source>
        <translation>لا نموذج يوافق البحث والتصفية.</translation>
    </message>
    <message>
        <source>Show all models</source>
        <translation>إظهار كل النماذج</translation>
    </message>
    <message>
        <source>There are no models yet. Download one, or add the folder where another program keeps them.</source>
        <translation>لا نماذج بعد. نزّل واحدًا، أو أضف المجلد الذي يحفظها فيه برنامج آخر.</translation>
    </message>
    <message>
        <source>See models to begin with</source>
        <translation>عرض نماذج للبداية</translation>
    </message>
    <message>
        <source>All families</source>
        <translation>كل العائلات</translation>
    </message>
    <message>
        <source>Downloads ({count})</source>
        <translation>التنزيلات ({count})</translation>
    </message>
</context>
<context>
    <name>LibraryState</name>
    <message>
        <source>Looking for models</source>
        <translation>البحث عن النماذج</translation>
    </message>
    <message>
        <source>Converting the model</source>
        <translation>تحويل النموذج</translation>
    </message>
    <message>
        <source>Asking the server</source>
        <translation>سؤال الخادم</translation>
    </message>
    <message>
        <source>Reading models: {done} of {total}</source>
        <translation>قراءة النماذج: {done} من {total}</translation>
    </message>
    <message>
        <source>Computing the hash: {percent} %</source>
        <translation>حساب البصمة: {percent} %</translation>
    </message>
</context>
<context>
    <name>MainWindow</name>
    <message>
        <source>Prompt</source>
        <translation>الوصف</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>النموذج</translation>
    </message>
    <message>
        <source>Settings of the picture</source>
        <translation>إعدادات الصورة</translation>
    </message>
    <message>
        <source>Generate</source>
        <translation>توليد</translation>
    </message>
    <message>
        <source>Generate for ever</source>
        <translation>توليد بلا توقف</translation>
    </message>
    <message>
        <source>Generate one for each wildcard</source>
        <translation>توليد صورة لكل بديل</translation>
    </message>
    <message>
        <source>Cancel the running job</source>
        <translation>إلغاء المهمة الجارية</translation>
    </message>
    <message>
        <source>Open a picture or recipe …</source>
        <translation>فتح صورة أو وصفة …</translation>
    </message>
    <message>
        <source>Save the picture as …</source>
        <translation>حفظ الصورة باسم …</translation>
    </message>
    <message>
        <source>Open the pictures folder</source>
        <translation>فتح مجلد الصور</translation>
    </message>
    <message>
        <source>Settings …</source>
        <translation>الإعدادات …</translation>
    </message>
    <message>
        <source>Quit</source>
        <translation>إنهاء</translation>
    </message>
    <message>
        <source>Paste a recipe or picture</source>
        <translation>لصق وصفة أو صورة</translation>
    </message>
    <message>
        <source>Copy the picture</source>
        <translation>نسخ الصورة</translation>
    </message>
    <message>
        <source>Draw a new seed</source>
        <translation>سحب بذرة جديدة</translation>
    </message>
    <message>
        <source>Use the last seed again</source>
        <translation>استعمال آخر بذرة مرة أخرى</translation>
    </message>
    <message>
        <source>Swap width and height</source>
        <translation>تبديل العرض والارتفاع</translation>
    </message>
    <message>
        <source>Pause or resume the queue</source>
        <translation>إيقاف قائمة الانتظار مؤقتًا أو متابعتها</translation>
    </message>
    <message>
        <source>Cancel all jobs</source>
        <translation>إلغاء كل المهام</translation>
    </message>
    <message>
        <source>Bring back what was taken off the queue</source>
        <translation>إعادة ما أُزيل من قائمة الانتظار</translation>
    </message>
    <message>
        <source>Show the model library</source>
        <translation>إظهار مكتبة النماذج</translation>
    </message>
    <message>
        <source>Free the memory of the model</source>
        <translation>تحرير ذاكرة النموذج</translation>
    </message>
    <message>
        <source>Go to the prompt</source>
        <translation>الانتقال إلى الوصف</translation>
    </message>
    <message>
        <source>Put all panels back</source>
        <translation>إعادة كل اللوحات إلى أماكنها</translation>
    </message>
    <message>
        <source>Full screen</source>
        <translation>ملء الشاشة</translation>
    </message>
    <message>
        <source>Shortcuts …</source>
        <translation>الاختصارات …</translation>
    </message>
    <message>
        <source>Open the log file</source>
        <translation>فتح ملف السجل</translation>
    </message>
    <message>
        <source>About Sfumato</source>
        <translation>حول Sfumato</translation>
    </message>
    <message>
        <source>&amp;File</source>
        <translation>&amp;ملف</translation>
    </message>
    <message>
        <source>&amp;Edit</source>
        <translation>&amp;تحرير</translation>
    </message>
    <message>
        <source>&amp;View</source>
        <translation>&amp;عرض</translation>
    </message>
    <message>
        <source>&amp;Picture</source>
        <translation>ال&amp;صورة</translation>
    </message>
    <message>
        <source>&amp;Queue</source>
        <translation>&amp;قائمة الانتظار</translation>
    </message>
    <message>
        <source>&amp;Models</source>
        <translation>ال&amp;نماذج</translation>
    </message>
    <message>
        <source>&amp;Help</source>
        <translation>&amp;مساعدة</translation>
    </message>
</context>
<context>
    <name>ModelPanel</name>
    <message>
        <source>Model</source>
        <translation>النموذج</translation>
    </message>
    <message>
        <source>The network that makes the picture. Another one knows other things and styles.</source>
        <translation>الشبكة التي تصنع الصورة. غيرها يعرف أشياء وأساليب أخرى.</translation>
    </message>
    <message>
        <source>More about models</source>
        <translation>المزيد عن النماذج</translation>
    </message>
    <message>
        <source>Open a model folder …</source>
        <translation>فتح مجلد نموذج …</translation>
    </message>
    <message>
        <source>Open a model file …</source>
        <translation>فتح ملف نموذج …</translation>
    </message>
    <message>
        <source>Model library</source>
        <translation>مكتبة النماذج</translation>
    </message>
    <message>
        <source>Free the memory of the model</source>
        <translation>تحرير ذاكرة النموذج</translation>
    </message>
    <message>
        <source>Autoencoder and precision</source>
        <translation>المرمّز الذاتي والدقة</translation>
    </message>
    <message>
        <source>Autoencoder (VAE)</source>
        <translation>المرمّز الذاتي (VAE)</translation>
    </message>
    <message>
        <source>The part that turns the result into pixels. Another one can mend pale or speckled colours.</source>
        <translation>الجزء الذي يحوّل النتيجة إلى بكسلات. قد يُصلح غيره الألوان الباهتة أو المبقّعة.</translation>
    </message>
    <message>
        <source>Precision</source>
        <translation>الدقة</translation>
    </message>
    <message>
        <source>How exactly numbers are kept. float32 is exact; 16 bits need half the memory.</source>
        <translation>مدى دقة حفظ الأعداد. float32 دقيق، و16 بتًّا تحتاج إلى نصف الذاكرة.</translation>
    </message>
    <message>
        <source>What suits the device</source>
        <translation>ما يناسب الجهاز</translation>
    </message>
    <message>
        <source>The model&apos;s own</source>
        <translation>الخاص بالنموذج</translation>
    </message>
    <message>
        <source>Choose a file …</source>
        <translation>اختيار ملف …</translation>
    </message>
    <message>
        <source>Sfumato icons (embedded)</source>
        <translation>أيقونات Sfumato ‏(مضمّن)</translation>
    </message>
    <message>
        <source>Choose an autoencoder</source>
        <translation>اختيار مرمّز ذاتي</translation>
    </message>
    <message>
        <source>Open a model folder</source>
        <translation>فتح مجلد نموذج</translation>
    </message>
    <message>
        <source>Open a model file</source>
        <translation>فتح ملف نموذج</translation>
    </message>
    <message>
        <source>Weights</source>
        <translation>الأوزان</translation>
    </message>
    <message>
        <source>Reading the model …</source>
        <translation>قراءة النموذج …</translation>
    </message>
    <message>
        <source>This model cannot be used.</source>
        <translation>لا يمكن استعمال هذا النموذج.</translation>
    </message>
    <message>
        <source>made for {size} pixels</source>
        <translation>صُنع لـ {size} بكسل</translation>
    </message>
    <message>
        <source>needs about {amount} GB of memory</source>
        <translation>يحتاج إلى نحو {amount} غيغابايت من الذاكرة</translation>
    </message>
    <message>
        <source>but only {amount} GB are free</source>
        <translation>لكن المتاح {amount} غيغابايت فقط</translation>
    </message>
    <message>
        <source>the text encoder leaves while the picture forms</source>
        <translation>يُفرَّغ مرمّز النص أثناء تكوّن الصورة</translation>
    </message>
    <message>
        <source>decoded in tiles</source>
        <translation>يُفك ترميزها قطعة قطعة</translation>
    </message>
    <message>
        <source>with one part loaded at a time</source>
        <translation>بتحميل جزء واحد في كل مرة</translation>
    </message>
    <message>
        <source>with one part loaded at a time, and its blocks one by one</source>
        <translation>بتحميل جزء واحد في كل مرة، وكتله واحدة تلو الأخرى</translation>
    </message>
    <message>
        <source>with one part loaded at a time, in small pieces</source>
        <translation>بتحميل جزء واحد في كل مرة، قطعًا صغيرة</translation>
    </message>
</context>
<context>
    <name>NoiseCurve</name>
    <message>
        <source>Noise falls from {first} to {last} in {steps} steps.</source>
        <translation>تهبط الضوضاء من {first} إلى {last} في {steps} خطوة.</translation>
    </message>
    <message numerus="yes">
        <source>%n step(s)</source>
        <translation>
            <numerusform>بلا خطوات</numerusform>
            <numerusform>خطوة واحدة</numerusform>
            <numerusform>خطوتان</numerusform>
            <numerusform>%n خطوات</numerusform>
            <numerusform>%n خطوة</numerusform>
            <numerusform>%n خطوة</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>NumberBox</name>
    <message>
        <source>This is no whole number; type digits only.</source>
        <translation>ليس هذا عددًا صحيحًا؛ اكتب أرقامًا فقط.</translation>
    </message>
    <message>
        <source>This is no number; type digits and a point.</source>
        <translation>ليس هذا عددًا؛ اكتب أرقامًا ونقطة.</translation>
    </message>
    <message>
        <source>{value} is out of range; choose from {lowest} to {highest}.</source>
        <translation>القيمة {value} خارج المدى؛ اختر من {lowest} إلى {highest}.</translation>
    </message>
    <message>
        <source>{value} is no multiple of {multiple}; choose {below} or {above}.</source>
        <translation>القيمة {value} ليست من مضاعفات {multiple}؛ اختر {below} أو {above}.</translation>
    </message>
</context>
<context>
    <name>PlanCard</name>
    <message>
        <source>Download</source>
        <translation>تنزيل</translation>
    </message>
    <message>
        <source>Not now</source>
        <translation>ليس الآن</translation>
    </message>
    <message numerus="yes">
        <source>%n file(s)</source>
        <translation>
            <numerusform>بلا ملفات</numerusform>
            <numerusform>ملف واحد</numerusform>
            <numerusform>ملفان</numerusform>
            <numerusform>%n ملفات</numerusform>
            <numerusform>%n ملفًا</numerusform>
            <numerusform>%n ملف</numerusform>
        </translation>
    </message>
    <message>
        <source>not stated</source>
        <translation>غير مذكورة</translation>
    </message>
    <message>
        <source>{files}, {size}; {free} free on the disk. Licence: {licence}.</source>
        <translation>{files}، {size}؛ المساحة الحرة على القرص {free}. الرخصة: {licence}.</translation>
    </message>
    <message>
        <source>There is not enough room on the disk.</source>
        <translation>لا توجد مساحة كافية على القرص.</translation>
    </message>
    <message>
        <source>Its terms have to be accepted first at {page}.</source>
        <translation>يجب قبول شروطه أولًا في {page}.</translation>
    </message>
    <message>
        <source>full precision</source>
        <translation>الدقة الكاملة</translation>
    </message>
</context>
<context>
    <name>PopOut</name>
    <message>
        <source>Sfumato: the picture</source>
        <translation>Sfumato: الصورة</translation>
    </message>
</context>
<context>
    <name>ProgressRow</name>
    <message>
        <source>Progress</source>
        <translation>التقدم</translation>
    </message>
    <message>
        <source>Progress of the job</source>
        <translation>تقدم المهمة</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>إلغاء</translation>
    </message>
    <message>
        <source>Leave the picture that forms; finished ones stay. (Esc)</source>
        <translation>ترك الصورة التي تتكون؛ تبقى المكتملة. (Esc)</translation>
    </message>
    <message>
        <source>Show the picture that forms</source>
        <translation>إظهار الصورة التي تتكون</translation>
    </message>
    <message>
        <source>picture {number} of {count}</source>
        <translation>الصورة {number} من {count}</translation>
    </message>
    <message>
        <source>Ready</source>
        <translation>جاهز</translation>
    </message>
    <message>
        <source>Starting</source>
        <translation>البدء</translation>
    </message>
    <message>
        <source>Loading the model</source>
        <translation>تحميل النموذج</translation>
    </message>
    <message>
        <source>Reading the prompt</source>
        <translation>قراءة الوصف</translation>
    </message>
    <message>
        <source>Step {step} of {total}</source>
        <translation>الخطوة {step} من {total}</translation>
    </message>
    <message>
        <source>Finishing the picture</source>
        <translation>إنهاء الصورة</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>تم</translation>
    </message>
    <message>
        <source>Cancelled</source>
        <translation>أُلغي</translation>
    </message>
    <message>
        <source>The picture could not be made</source>
        <translation>تعذر صنع الصورة</translation>
    </message>
</context>
<context>
    <name>PromptEdit</name>
    <message>
        <source>The pasted text has {length} characters; a prompt takes at most {most}, so paste less.</source>
        <translation>في النص الملصق {length} حرفًا؛ يسع الوصف {most} حرفًا على الأكثر، فالصق أقل.</translation>
    </message>
</context>
<context>
    <name>PromptPanel</name>
    <message>
        <source>Prompt</source>
        <translation>الوصف</translation>
    </message>
    <message>
        <source>What shall the picture show?</source>
        <translation>ماذا تُظهر الصورة؟</translation>
    </message>
    <message>
        <source>What the picture shall show. (word:1.2) weighs a word, Ctrl+Up and Ctrl+Down do it for you; &lt;lora:name:1&gt; adds a LoRA, __name__ draws from a wildcard.</source>
        <translation>ما تُظهره الصورة. (word:1.2) يزن الكلمة، وCtrl+Up وCtrl+Down يفعلان ذلك عنك؛ ‏&lt;lora:name:1&gt; يضيف LoRA، و__name__ يسحب من بدائل عشوائية.</translation>
    </message>
    <message>
        <source>Negative prompt</source>
        <translation>الوصف السلبي</translation>
    </message>
    <message>
        <source>What shall it not show?</source>
        <translation>ما الذي لا تُظهره؟</translation>
    </message>
    <message>
        <source>What the picture shall keep away from. It needs a guidance above 1.</source>
        <translation>ما تبتعد عنه الصورة. يلزمه توجيه أكبر من 1.</translation>
    </message>
    <message>
        <source>Negative</source>
        <translation>السلبي</translation>
    </message>
    <message>
        <source>Show or hide what the picture shall keep away from</source>
        <translation>إظهار ما تبتعد عنه الصورة أو إخفاؤه</translation>
    </message>
    <message>
        <source>Styles: fragments that are added to both prompts</source>
        <translation>الأنماط: عبارات تضاف إلى الوصفين</translation>
    </message>
    <message>
        <source>Styles</source>
        <translation>الأنماط</translation>
    </message>
    <message>
        <source>Prompts used before</source>
        <translation>الأوصاف السابقة</translation>
    </message>
    <message>
        <source>Tokens of the prompt, and how many fit into one chunk; a longer prompt is read in several chunks.</source>
        <translation>رموز الوصف وكم منها يسعه المقطع الواحد؛ الوصف الأطول يُقرأ في عدة مقاطع.</translation>
    </message>
    <message>
        <source>Put one more job into the queue (Ctrl+Enter)</source>
        <translation>وضع مهمة أخرى في قائمة الانتظار (Ctrl+Enter)</translation>
    </message>
    <message>
        <source>Put one more job into the queue</source>
        <translation>وضع مهمة أخرى في قائمة الانتظار</translation>
    </message>
    <message>
        <source>How many pictures one press makes, each with the next seed</source>
        <translation>عدد الصور التي تصنعها الضغطة الواحدة، لكل منها البذرة التالية</translation>
    </message>
    <message>
        <source>Number of pictures</source>
        <translation>عدد الصور</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>إلغاء</translation>
    </message>
    <message>
        <source>Generate</source>
        <translation>توليد</translation>
    </message>
    <message>
        <source>Leave the picture that is being made (Esc)</source>
        <translation>ترك الصورة التي تُصنع (Esc)</translation>
    </message>
    <message>
        <source>Make the picture (Ctrl+Enter)</source>
        <translation>صنع الصورة (Ctrl+Enter)</translation>
    </message>
    <message>
        <source>Keep these prompts as a style …</source>
        <translation>حفظ هذين الوصفين نمطًا …</translation>
    </message>
    <message>
        <source>Import styles.csv …</source>
        <translation>استيراد styles.csv …</translation>
    </message>
    <message>
        <source>Keep as a style</source>
        <translation>حفظ نمطًا</translation>
    </message>
    <message>
        <source>Name of the style</source>
        <translation>اسم النمط</translation>
    </message>
</context>
<context>
    <name>QueueDelegate</name>
    <message>
        <source>(no prompt)</source>
        <translation>(بلا وصف)</translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s)</source>
        <translation>
            <numerusform>لا صور</numerusform>
            <numerusform>صورة واحدة</numerusform>
            <numerusform>صورتان</numerusform>
            <numerusform>%n صور</numerusform>
            <numerusform>%n صورة</numerusform>
            <numerusform>%n صورة</numerusform>
        </translation>
    </message>
    <message>
        <source>{made} of {count} pictures</source>
        <translation>{made} من {count} صورة</translation>
    </message>
    <message>
        <source>round {number}</source>
        <translation>الجولة {number}</translation>
    </message>
    <message numerus="yes">
        <source>%n step(s)</source>
        <translation>
            <numerusform>بلا خطوات</numerusform>
            <numerusform>خطوة واحدة</numerusform>
            <numerusform>خطوتان</numerusform>
            <numerusform>%n خطوات</numerusform>
            <numerusform>%n خطوة</numerusform>
            <numerusform>%n خطوة</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>QueueEditor</name>
    <message>
        <source>Edit the job</source>
        <translation>تحرير المهمة</translation>
    </message>
    <message>
        <source>Prompt</source>
        <translation>الوصف</translation>
    </message>
    <message>
        <source>Negative prompt</source>
        <translation>الوصف السلبي</translation>
    </message>
    <message>
        <source>Scheduler</source>
        <translation>المُجدوِل</translation>
    </message>
    <message>
        <source>Steps</source>
        <translation>الخطوات</translation>
    </message>
    <message>
        <source>Guidance</source>
        <translation>التوجيه</translation>
    </message>
    <message>
        <source>Seed</source>
        <translation>البذرة</translation>
    </message>
    <message>
        <source>Pictures</source>
        <translation>الصور</translation>
    </message>
    <message>
        <source>Save</source>
        <translation>حفظ</translation>
    </message>
    <message>
        <source>Leave it as it is</source>
        <translation>تركها كما هي</translation>
    </message>
    <message>
        <source>The job has begun meanwhile and cannot be changed any more; duplicate it instead.</source>
        <translation>بدأت المهمة في هذه الأثناء ولم يعد تغييرها ممكنًا؛ كرّرها بدلًا من ذلك.</translation>
    </message>
</context>
<context>
    <name>QueueModel</name>
    <message>
        <source>Waiting</source>
        <translation>تنتظر</translation>
    </message>
    <message>
        <source>Interrupted</source>
        <translation>قُطعت</translation>
    </message>
    <message>
        <source>Failed</source>
        <translation>فشلت</translation>
    </message>
    <message>
        <source>Cancelled</source>
        <translation>أُلغي</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>تم</translation>
    </message>
    <message>
        <source>Step {step} of {total}</source>
        <translation>الخطوة {step} من {total}</translation>
    </message>
    <message>
        <source>Preparing</source>
        <translation>تُحضَّر</translation>
    </message>
</context>
<context>
    <name>QueuePanel</name>
    <message>
        <source>Jobs of the queue</source>
        <translation>مهام قائمة الانتظار</translation>
    </message>
    <message>
        <source>Edit…</source>
        <translation>تحرير…</translation>
    </message>
    <message>
        <source>Duplicate</source>
        <translation>تكرار</translation>
    </message>
    <message>
        <source>Run again</source>
        <translation>تشغيل مرة أخرى</translation>
    </message>
    <message>
        <source>Run next</source>
        <translation>تشغيل تاليًا</translation>
    </message>
    <message>
        <source>Move up</source>
        <translation>تحريك إلى أعلى</translation>
    </message>
    <message>
        <source>Move down</source>
        <translation>تحريك إلى أسفل</translation>
    </message>
    <message>
        <source>Run last</source>
        <translation>تشغيل أخيرًا</translation>
    </message>
    <message>
        <source>Cancel or remove</source>
        <translation>إلغاء أو إزالة</translation>
    </message>
    <message>
        <source>Show the picture</source>
        <translation>إظهار الصورة</translation>
    </message>
    <message>
        <source>Copy the error</source>
        <translation>نسخ الخطأ</translation>
    </message>
    <message>
        <source>Repeat for ever</source>
        <translation>إعادة بلا توقف</translation>
    </message>
    <message>
        <source>Start again with the next seeds each time it ends, until it is cancelled.</source>
        <translation>البدء من جديد بالبذور التالية كلما انتهت، إلى أن تُلغى.</translation>
    </message>
    <message>
        <source>Run failed jobs again</source>
        <translation>تشغيل المهام الفاشلة مرة أخرى</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>تراجع</translation>
    </message>
    <message>
        <source>Clear finished jobs</source>
        <translation>إزالة المهام المنتهية</translation>
    </message>
    <message>
        <source>Cancel all jobs</source>
        <translation>إلغاء كل المهام</translation>
    </message>
    <message>
        <source>Continue</source>
        <translation>متابعة</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>إزالة</translation>
    </message>
    <message>
        <source>Taken off the queue.</source>
        <translation>أُزيلت من قائمة الانتظار.</translation>
    </message>
    <message>
        <source>Nothing waits: each press of Generate puts a job here.</source>
        <translation>لا شيء ينتظر: كل ضغطة على «توليد» تضع مهمة هنا.</translation>
    </message>
    <message>
        <source>Add a job</source>
        <translation>إضافة مهمة</translation>
    </message>
    <message>
        <source>Resume</source>
        <translation>متابعة</translation>
    </message>
    <message>
        <source>Pause</source>
        <translation>إيقاف مؤقت</translation>
    </message>
    <message>
        <source>Go on with the next job.</source>
        <translation>المتابعة بالمهمة التالية.</translation>
    </message>
    <message>
        <source>Start no further job; the running one is finished.</source>
        <translation>عدم بدء مهمة أخرى؛ تُكمَل الجارية.</translation>
    </message>
    <message numerus="yes">
        <source>%n waiting</source>
        <translation>
            <numerusform>لا شيء ينتظر</numerusform>
            <numerusform>واحدة تنتظر</numerusform>
            <numerusform>اثنتان تنتظران</numerusform>
            <numerusform>%n تنتظر</numerusform>
            <numerusform>%n تنتظر</numerusform>
            <numerusform>%n تنتظر</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n job(s) did not come to an end last time.</source>
        <translation>
            <numerusform>لم تبق مهمة بلا نهاية في المرة الماضية.</numerusform>
            <numerusform>لم تنته مهمة واحدة في المرة الماضية.</numerusform>
            <numerusform>لم تنته مهمتان في المرة الماضية.</numerusform>
            <numerusform>لم تنته %n مهام في المرة الماضية.</numerusform>
            <numerusform>لم تنته %n مهمة في المرة الماضية.</numerusform>
            <numerusform>لم تنته %n مهمة في المرة الماضية.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>QueueState</name>
    <message numerus="yes">
        <source>The prompt has more than %n choices; the first ones were put into the queue.</source>
        <translation>
            <numerusform>للوصف خيارات أكثر؛ وُضعت الأولى في قائمة الانتظار.</numerusform>
            <numerusform>للوصف أكثر من خيار واحد؛ وُضعت الأولى في قائمة الانتظار.</numerusform>
            <numerusform>للوصف أكثر من خيارين؛ وُضعت الأولى في قائمة الانتظار.</numerusform>
            <numerusform>للوصف أكثر من %n خيارات؛ وُضعت الأولى في قائمة الانتظار.</numerusform>
            <numerusform>للوصف أكثر من %n خيارًا؛ وُضعت الأولى في قائمة الانتظار.</numerusform>
            <numerusform>للوصف أكثر من %n خيار؛ وُضعت الأولى في قائمة الانتظار.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>RecipePanel</name>
    <message>
        <source>Not wanted</source>
        <translation>غير المرغوب</translation>
    </message>
    <message>
        <source>Result of the replay</source>
        <translation>نتيجة الإعادة</translation>
    </message>
    <message>
        <source>Use everything</source>
        <translation>استعمال كل شيء</translation>
    </message>
    <message>
        <source>Takes prompt, model, scheduler, seed, size and all other settings over.</source>
        <translation>يأخذ الوصف والنموذج والمُجدوِل والبذرة والحجم وكل الإعدادات الأخرى.</translation>
    </message>
    <message>
        <source>Prompt only</source>
        <translation>الوصف فقط</translation>
    </message>
    <message>
        <source>Takes over what was wanted and what was not.</source>
        <translation>يأخذ ما كان مطلوبًا وما لم يكن.</translation>
    </message>
    <message>
        <source>Seed only</source>
        <translation>البذرة فقط</translation>
    </message>
    <message>
        <source>Takes over the seed and locks it, so that the same noise is the start.</source>
        <translation>يأخذ البذرة ويثبّتها لتكون البداية هي الضوضاء نفسها.</translation>
    </message>
    <message>
        <source>Replay</source>
        <translation>إعادة الصنع</translation>
    </message>
    <message>
        <source>Makes this picture again and says how many pixels differ.</source>
        <translation>يصنع هذه الصورة مرة أخرى ويذكر كم بكسلًا اختلف.</translation>
    </message>
    <message>
        <source>This picture does not say what made it.</source>
        <translation>لا تذكر هذه الصورة ما صنعها.</translation>
    </message>
    <message>
        <source>No prompt.</source>
        <translation>بلا وصف.</translation>
    </message>
    <message>
        <source>Recipe</source>
        <translation>الوصفة</translation>
    </message>
    <message>
        <source>Choose a picture, or drop one from another program here, to see what made it.</source>
        <translation>اختر صورة، أو أفلت هنا صورة من برنامج آخر، لترى ما صنعها.</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>النموذج</translation>
    </message>
    <message>
        <source>Scheduler</source>
        <translation>المُجدوِل</translation>
    </message>
    <message>
        <source>Steps</source>
        <translation>الخطوات</translation>
    </message>
    <message>
        <source>Guidance</source>
        <translation>التوجيه</translation>
    </message>
    <message>
        <source>Seed</source>
        <translation>البذرة</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>الحجم</translation>
    </message>
    <message>
        <source>Skipped layers</source>
        <translation>الطبقات المتروكة</translation>
    </message>
    <message>
        <source>Made by</source>
        <translation>صُنعت بـ</translation>
    </message>
    <message>
        <source>Syntax</source>
        <translation>الصياغة</translation>
    </message>
    <message>
        <source>Template</source>
        <translation>القالب</translation>
    </message>
    <message>
        <source>Negative template</source>
        <translation>القالب السلبي</translation>
    </message>
    <message>
        <source>Adapters</source>
        <translation>المهايئات</translation>
    </message>
    <message>
        <source>VAE</source>
        <translation>VAE</translation>
    </message>
    <message>
        <source>VAE version</source>
        <translation>إصدار VAE</translation>
    </message>
    <message>
        <source>Start picture</source>
        <translation>صورة البداية</translation>
    </message>
    <message>
        <source>Strength</source>
        <translation>القوة</translation>
    </message>
    <message>
        <source>Mask</source>
        <translation>القناع</translation>
    </message>
    <message>
        <source>Second pass</source>
        <translation>مرور ثانٍ</translation>
    </message>
    <message>
        <source>Its steps</source>
        <translation>خطواته</translation>
    </message>
    <message>
        <source>Its strength</source>
        <translation>قوته</translation>
    </message>
    <message>
        <source>Speed</source>
        <translation>السرعة</translation>
    </message>
    <message>
        <source>Memory</source>
        <translation>الذاكرة</translation>
    </message>
    <message>
        <source>Branch</source>
        <translation>تفرّع</translation>
    </message>
    <message>
        <source>Making the picture again…</source>
        <translation>تُصنع الصورة مرة أخرى…</translation>
    </message>
    <message>
        <source>{name}: {count} of {pixels} pixels differ.</source>
        <translation>{name}: اختلف {count} من {pixels} بكسل.</translation>
    </message>
    <message>
        <source>{name}: not one of {pixels} pixels differs.</source>
        <translation>{name}: لم يختلف أي بكسل من {pixels}.</translation>
    </message>
</context>
<context>
    <name>Replay</name>
    <message>
        <source>The folder {folder} cannot be written to ({reason}); allow that, then replay.</source>
        <translation>تعذرت الكتابة في المجلد {folder} ‏({reason})؛ اسمح بذلك ثم أعد الصنع.</translation>
    </message>
    <message>
        <source>The replay was cancelled.</source>
        <translation>أُلغيت إعادة الصنع.</translation>
    </message>
</context>
<context>
    <name>SchedulerPanel</name>
    <message>
        <source>Sampling</source>
        <translation>أخذ العينات</translation>
    </message>
    <message>
        <source>Scheduler</source>
        <translation>المُجدوِل</translation>
    </message>
    <message>
        <source>The way noise is taken away step by step. It changes speed, sharpness and how pictures vary.</source>
        <translation>طريقة إزالة الضوضاء خطوة بعد خطوة. تغيّر السرعة والحدة وتنوع الصور.</translation>
    </message>
    <message>
        <source>Sigma schedule</source>
        <translation>جدول سيغما</translation>
    </message>
    <message>
        <source>Where along the way from noise to picture the steps are spent.</source>
        <translation>أين تُنفق الخطوات على الطريق من الضوضاء إلى الصورة.</translation>
    </message>
    <message>
        <source>Steps</source>
        <translation>الخطوات</translation>
    </message>
    <message>
        <source>How many times noise is taken away. More steps: finer and slower; beyond 30 little changes.</source>
        <translation>عدد مرات إزالة الضوضاء. خطوات أكثر: أدق وأبطأ؛ وبعد 30 لا يتغير إلا القليل.</translation>
    </message>
    <message>
        <source>Guidance</source>
        <translation>التوجيه</translation>
    </message>
    <message>
        <source>How strictly the picture follows the prompt. High values look harsh, low ones wander off.</source>
        <translation>مدى التزام الصورة بالوصف. القيم العالية تبدو قاسية، والمنخفضة تشرد.</translation>
    </message>
    <message>
        <source>Guidance rescale</source>
        <translation>إعادة قياس التوجيه</translation>
    </message>
    <message>
        <source>Takes back the glare that strong guidance brings; 0 is off, 0.7 is usual for v models.</source>
        <translation>يزيل الوهج الذي يجلبه التوجيه القوي؛ 0 يوقفه، و0.7 معتاد لنماذج v.</translation>
    </message>
    <message>
        <source>Noise at each step</source>
        <translation>الضوضاء عند كل خطوة</translation>
    </message>
    <message>
        <source>The noise left at each step of exactly the run that would start now.</source>
        <translation>الضوضاء الباقية عند كل خطوة من التشغيل نفسه الذي سيبدأ الآن.</translation>
    </message>
    <message>
        <source>Picture</source>
        <translation>الصورة</translation>
    </message>
    <message>
        <source>Width</source>
        <translation>العرض</translation>
    </message>
    <message>
        <source>Pixels from side to side. Far from the model&apos;s size things double.</source>
        <translation>عدد البكسلات من جانب إلى جانب. بعيدًا عن حجم النموذج تتكرر الأشياء.</translation>
    </message>
    <message>
        <source>Height</source>
        <translation>الارتفاع</translation>
    </message>
    <message>
        <source>Pixels from top to bottom. Far from the model&apos;s size things double.</source>
        <translation>عدد البكسلات من الأعلى إلى الأسفل. بعيدًا عن حجم النموذج تتكرر الأشياء.</translation>
    </message>
    <message>
        <source>Swap width and height</source>
        <translation>تبديل العرض والارتفاع</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>الحجم</translation>
    </message>
    <message>
        <source>Sizes with about as many pixels as the model was trained with.</source>
        <translation>أحجام فيها من البكسلات قدر ما دُرب عليه النموذج تقريبًا.</translation>
    </message>
    <message>
        <source>Start from a picture</source>
        <translation>البدء من صورة</translation>
    </message>
    <message>
        <source>Choose a picture that the run starts from</source>
        <translation>اختيار صورة يبدأ منها التشغيل</translation>
    </message>
    <message>
        <source>Start from noise again</source>
        <translation>البدء من الضوضاء مرة أخرى</translation>
    </message>
    <message>
        <source>Strength</source>
        <translation>القوة</translation>
    </message>
    <message>
        <source>How much of the picture may change: 0 keeps it, 1 keeps nothing of it.</source>
        <translation>كم يجوز أن يتغير من الصورة: 0 يبقيها، و1 لا يبقي منها شيئًا.</translation>
    </message>
    <message>
        <source>Second pass at a larger size</source>
        <translation>مرور ثانٍ بحجم أكبر</translation>
    </message>
    <message>
        <source>Makes the picture, enlarges it, and paints its detail again. 1 is off.</source>
        <translation>يصنع الصورة ويكبّرها ويرسم تفاصيلها مرة أخرى. 1 يوقفه.</translation>
    </message>
    <message>
        <source>Enlarge by</source>
        <translation>التكبير بمقدار</translation>
    </message>
    <message>
        <source>How many times larger the finished picture is; 1 leaves the second pass out.</source>
        <translation>كم مرة تكبر الصورة النهائية؛ 1 يترك المرور الثاني.</translation>
    </message>
    <message>
        <source>Strength of the second pass</source>
        <translation>قوة المرور الثاني</translation>
    </message>
    <message>
        <source>How much the second pass may change; 0.3 sharpens, 0.6 invents.</source>
        <translation>كم يجوز للمرور الثاني أن يغيّر؛ 0.3 يزيد الحدة، و0.6 يبتكر.</translation>
    </message>
    <message>
        <source>Steps of the second pass</source>
        <translation>خطوات المرور الثاني</translation>
    </message>
    <message>
        <source>0 takes as many as the first pass.</source>
        <translation>0 يأخذ عدد خطوات المرور الأول.</translation>
    </message>
    <message>
        <source>Pictures</source>
        <translation>الصور</translation>
    </message>
    <message>
        <source>{advice} Usual: {fewest} to {most} steps.</source>
        <translation>{advice} المعتاد: من {fewest} إلى {most} خطوة.</translation>
    </message>
    <message>
        <source>Own size</source>
        <translation>حجم خاص</translation>
    </message>
    <message>
        <source>None: the picture starts from noise.</source>
        <translation>لا شيء: تبدأ الصورة من الضوضاء.</translation>
    </message>
    <message>
        <source>The plot is coming …</source>
        <translation>الرسم قادم …</translation>
    </message>
</context>
<context>
    <name>SeedField</name>
    <message>
        <source>The number that the starting noise is drawn from. Same seed and same settings: the same picture again.</source>
        <translation>العدد الذي تُسحب منه ضوضاء البداية. البذرة نفسها والإعدادات نفسها: الصورة نفسها مرة أخرى.</translation>
    </message>
    <message>
        <source>Seed</source>
        <translation>البذرة</translation>
    </message>
    <message>
        <source>Draw a new seed by chance</source>
        <translation>سحب بذرة جديدة بالصدفة</translation>
    </message>
    <message>
        <source>Keep this seed: every press makes the same picture</source>
        <translation>تثبيت هذه البذرة: كل ضغطة تصنع الصورة نفسها</translation>
    </message>
    <message>
        <source>Take the seed of the last picture again</source>
        <translation>أخذ بذرة الصورة الأخيرة مرة أخرى</translation>
    </message>
</context>
<context>
    <name>SettingsDialog</name>
    <message>
        <source>Settings</source>
        <translation>الإعدادات</translation>
    </message>
    <message>
        <source>Pages of the settings</source>
        <translation>صفحات الإعدادات</translation>
    </message>
    <message>
        <source>Look and language</source>
        <translation>المظهر واللغة</translation>
    </message>
    <message>
        <source>Folders</source>
        <translation>المجلدات</translation>
    </message>
    <message>
        <source>Device and memory</source>
        <translation>الجهاز والذاكرة</translation>
    </message>
    <message>
        <source>Speed</source>
        <translation>السرعة</translation>
    </message>
    <message>
        <source>Previews and steps</source>
        <translation>المعاينات والخطوات</translation>
    </message>
    <message>
        <source>Network</source>
        <translation>الشبكة</translation>
    </message>
    <message>
        <source>Shortcuts</source>
        <translation>الاختصارات</translation>
    </message>
    <message>
        <source>The system&apos;s</source>
        <translation>كما في النظام</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>اللغة</translation>
    </message>
    <message>
        <source>Theme</source>
        <translation>السمة</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>فاتحة</translation>
    </message>
    <message>
        <source>Dark</source>
        <translation>داكنة</translation>
    </message>
    <message>
        <source>High contrast</source>
        <translation>تباين عالٍ</translation>
    </message>
    <message>
        <source>Folder of the pictures</source>
        <translation>مجلد الصور</translation>
    </message>
    <message>
        <source>Pictures</source>
        <translation>الصور</translation>
    </message>
    <message>
        <source>Names of the files</source>
        <translation>أسماء الملفات</translation>
    </message>
    <message>
        <source>{seed}, {date}, {time} and {prompt} are filled in.</source>
        <translation>تُملأ {seed} و{date} و{time} و{prompt}.</translation>
    </message>
    <message>
        <source>Folders of models</source>
        <translation>مجلدات النماذج</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>النماذج</translation>
    </message>
    <message>
        <source>Add a folder …</source>
        <translation>إضافة مجلد …</translation>
    </message>
    <message>
        <source>Take off</source>
        <translation>إزالة</translation>
    </message>
    <message>
        <source>Models are used where they lie; nothing is copied or moved.</source>
        <translation>تُستعمل النماذج حيث هي؛ لا يُنسخ شيء ولا يُنقل.</translation>
    </message>
    <message>
        <source>The fastest</source>
        <translation>الأسرع</translation>
    </message>
    <message>
        <source>Processor (CPU)</source>
        <translation>المعالج (CPU)</translation>
    </message>
    <message>
        <source>Device</source>
        <translation>الجهاز</translation>
    </message>
    <message>
        <source>Looking for devices …</source>
        <translation>البحث عن الأجهزة …</translation>
    </message>
    <message>
        <source>Precision</source>
        <translation>الدقة</translation>
    </message>
    <message>
        <source>What suits the device</source>
        <translation>ما يناسب الجهاز</translation>
    </message>
    <message>
        <source>float32: exact</source>
        <translation>float32: دقيق</translation>
    </message>
    <message>
        <source>float16: half the memory, for graphics cards</source>
        <translation>float16: نصف الذاكرة، لبطاقات الرسوم</translation>
    </message>
    <message>
        <source>bfloat16: half the memory</source>
        <translation>bfloat16: نصف الذاكرة</translation>
    </message>
    <message>
        <source>Memory</source>
        <translation>الذاكرة</translation>
    </message>
    <message>
        <source>As much as there is</source>
        <translation>كل ما هو متاح</translation>
    </message>
    <message>
        <source>Fast: keep everything loaded</source>
        <translation>سريع: إبقاء كل شيء محمّلًا</translation>
    </message>
    <message>
        <source>Balanced</source>
        <translation>متوازن</translation>
    </message>
    <message>
        <source>Low: slower, in small parts</source>
        <translation>منخفض: أبطأ، في أجزاء صغيرة</translation>
    </message>
    <message>
        <source>Free the model after</source>
        <translation>تحرير النموذج بعد</translation>
    </message>
    <message>
        <source>minutes without work; 0 keeps it loaded</source>
        <translation>دقيقة بلا عمل؛ 0 يبقيه محمّلًا</translation>
    </message>
    <message>
        <source>Previews</source>
        <translation>المعاينات</translation>
    </message>
    <message>
        <source>At every step</source>
        <translation>عند كل خطوة</translation>
    </message>
    <message>
        <source>At every step, finer where the model has a small decoder</source>
        <translation>عند كل خطوة، وأدق حيث للنموذج مفكك ترميز صغير</translation>
    </message>
    <message>
        <source>None</source>
        <translation>بلا</translation>
    </message>
    <message>
        <source>Keep the state of every step, so that a picture can branch from it</source>
        <translation>حفظ حالة كل خطوة حتى يمكن أن تتفرع الصورة منها</translation>
    </message>
    <message>
        <source>Room for kept steps</source>
        <translation>المساحة للخطوات المحفوظة</translation>
    </message>
    <message>
        <source>MB; the oldest go first</source>
        <translation>ميغابايت؛ الأقدم يذهب أولًا</translation>
    </message>
    <message>
        <source>No network at all</source>
        <translation>بلا شبكة مطلقًا</translation>
    </message>
    <message>
        <source>Sfumato uses the network only when you search for a model or download one; with this switch not even then.</source>
        <translation>لا يستعمل Sfumato الشبكة إلا حين تبحث عن نموذج أو تنزّله؛ وبهذا المفتاح لا يستعملها حتى عندئذ.</translation>
    </message>
    <message>
        <source>Choose …</source>
        <translation>اختيار …</translation>
    </message>
    <message>
        <source>Folder of models</source>
        <translation>مجلد النماذج</translation>
    </message>
    <message>
        <source>Found: {devices}</source>
        <translation>وُجد: {devices}</translation>
    </message>
</context>
<context>
    <name>ShortcutsPage</name>
    <message>
        <source>Search commands</source>
        <translation>بحث في الأوامر</translation>
    </message>
    <message>
        <source>Commands and their keys</source>
        <translation>الأوامر ومفاتيحها</translation>
    </message>
    <message>
        <source>Command</source>
        <translation>الأمر</translation>
    </message>
    <message>
        <source>Keys</source>
        <translation>المفاتيح</translation>
    </message>
    <message>
        <source>New keys</source>
        <translation>مفاتيح جديدة</translation>
    </message>
    <message>
        <source>Its own keys</source>
        <translation>مفاتيحه الأصلية</translation>
    </message>
    <message>
        <source>{keys} belongs to “{command}” already; choose other keys, or change those first.</source>
        <translation>{keys} تخص «{command}»؛ اختر مفاتيح أخرى، أو غيّر تلك أولًا.</translation>
    </message>
</context>
<context>
    <name>SpeedPage</name>
    <message>
        <source>Whole at every {count} steps</source>
        <translation>كاملة كل {count} خطوات</translation>
    </message>
    <message>
        <source>Off</source>
        <translation>معطّل</translation>
    </message>
    <message>
        <source>Step caching</source>
        <translation>تخزين الخطوات</translation>
    </message>
    <message>
        <source>Guidance begins after percent of the steps</source>
        <translation>يبدأ التوجيه بعد هذه النسبة المئوية من الخطوات</translation>
    </message>
    <message>
        <source>Guidance ends after percent of the steps</source>
        <translation>ينتهي التوجيه بعد هذه النسبة المئوية من الخطوات</translation>
    </message>
    <message>
        <source>to</source>
        <translation>إلى</translation>
    </message>
    <message>
        <source>Guidance from</source>
        <translation>التوجيه من</translation>
    </message>
    <message>
        <source>Steps in between compute only the outermost layers (DeepCache), which takes a fraction of the time. Details change, the more the fewer steps are whole.</source>
        <translation>لا تحسب الخطوات بينها إلا الطبقات الخارجية (DeepCache)، وهذا يأخذ جزءًا يسيرًا من الوقت. تتغيّر التفاصيل، ويزداد التغيّر كلما قلّت الخطوات الكاملة.</translation>
    </message>
    <message>
        <source>All are off until you choose otherwise. What each gives was measured: the time of a picture of Stable Diffusion 1.5&apos;s size on two processor cores, beside the one without; and in dB how near it comes to that picture. From 40 dB on both look the same, below 25 dB it is another picture.</source>
        <translation>كلها معطّلة إلى أن تختار غير ذلك. وقد قيس ما يعطيه كل منها: زمن صورة بحجم Stable Diffusion 1.5 على نواتي معالج مقارنةً بالصورة من دونه، ومدى قربها من تلك الصورة بالديسيبل. من 40 ديسيبل فصاعدًا تبدو الصورتان متماثلتين، ودون 25 ديسيبل تكون صورة أخرى.</translation>
    </message>
    <message>
        <source>every {count} steps</source>
        <translation>كل {count} خطوات</translation>
    </message>
    <message>
        <source>Steps outside take about half the time, because the negative prompt is not computed there. The picture changes more than with step caching.</source>
        <translation>الخطوات خارج هذا المدى تأخذ نحو نصف الوقت، لأن الوصف السلبي لا يُحسب فيها. تتغيّر الصورة أكثر مما تتغيّر مع تخزين الخطوات.</translation>
    </message>
    <message>
        <source>from 20 to 80 %</source>
        <translation>من 20 إلى 80 %</translation>
    </message>
    <message>
        <source>{share} % of the tokens</source>
        <translation>{share} % من الرموز</translation>
    </message>
    <message>
        <source>Token merging</source>
        <translation>دمج الرموز</translation>
    </message>
    <message>
        <source>Attention passes over tokens that look alike. It gains with large pictures and costs fine detail.</source>
        <translation>يتجاوز الانتباه الرموز المتشابهة. يفيد في الصور الكبيرة، وتضيع معه تفاصيل دقيقة.</translation>
    </message>
    <message>
        <source>Folder of a tiny autoencoder</source>
        <translation>مجلد مُرمِّز تلقائي صغير</translation>
    </message>
    <message>
        <source>The model&apos;s own decoder</source>
        <translation>مفكِّك الترميز الخاص بالنموذج</translation>
    </message>
    <message>
        <source>Choose …</source>
        <translation>اختيار …</translation>
    </message>
    <message>
        <source>Tiny decoder</source>
        <translation>مفكِّك ترميز صغير</translation>
    </message>
    <message>
        <source>Decodes the finished picture in a fraction of the time and memory; fine texture gets softer. It must be made for the kind of model, such as TAESD.</source>
        <translation>يفك ترميز الصورة النهائية بجزء يسير من الوقت والذاكرة، ويصبح النسيج الدقيق أنعم. يجب أن يكون مصنوعًا لهذا النوع من النماذج، مثل TAESD.</translation>
    </message>
    <message>
        <source>Compile the model</source>
        <translation>تصريف النموذج</translation>
    </message>
    <message>
        <source>Meant for graphics cards. The first picture of each size waits for the compiler, for minutes on a processor; what is compiled is kept. Pictures change in the last digits only.</source>
        <translation>مخصّص لبطاقات الرسوميات. تنتظر أول صورة من كل مقاس المصرّف، دقائق على المعالج؛ وما صُرِّف يُحفظ. لا تتغيّر الصور إلا في آخر الأرقام.</translation>
    </message>
    <message>
        <source>As set under Device and memory</source>
        <translation>كما في «الجهاز والذاكرة»</translation>
    </message>
    <message>
        <source>float8: a quarter of float32</source>
        <translation>float8: ربع float32</translation>
    </message>
    <message>
        <source>int8: needs the library torchao</source>
        <translation>int8: يحتاج إلى مكتبة torchao</translation>
    </message>
    <message>
        <source>Denoiser in</source>
        <translation>مزيل الضجيج بدقة</translation>
    </message>
    <message>
        <source>Text encoder in</source>
        <translation>مرمِّز النص بدقة</translation>
    </message>
    <message>
        <source>Autoencoder in</source>
        <translation>المرمِّز التلقائي بدقة</translation>
    </message>
    <message>
        <source>Eight bits need the least memory; each step then takes longer, and details change. An autoencoder that overflows in float16 goes on in float32 and says so.</source>
        <translation>ثماني بتات تحتاج إلى أقل ذاكرة؛ تطول عندئذ كل خطوة وتتغيّر التفاصيل. المرمِّز التلقائي الذي يفيض في float16 يواصل في float32 ويخبرك بذلك.</translation>
    </message>
    <message>
        <source>OpenVINO: needs the library openvino</source>
        <translation>OpenVINO: يحتاج إلى المكتبة openvino</translation>
    </message>
    <message>
        <source>ONNX Runtime: needs the libraries onnx and onnxruntime</source>
        <translation>ONNX Runtime: يحتاج إلى المكتبتين onnx وonnxruntime</translation>
    </message>
    <message>
        <source>Computed by</source>
        <translation>يحسبه</translation>
    </message>
    <message>
        <source>On processors only. OpenVINO can make steps faster; the model is translated once, which takes minutes and as much disk space as the model in float32. Adapters, step caching, token merging, compiling and precisions of single parts work with PyTorch only. Pictures change in the last digits.</source>
        <translation>على المعالجات فقط. قد يجعل OpenVINO الخطوات أسرع؛ ويُحوَّل النموذج مرة واحدة، ويستغرق ذلك دقائق ويشغل من القرص بقدر النموذج بدقة float32. أما المحوِّلات والتخزين المؤقت للخطوات ودمج الرموز والترجمة البرمجية ودقة الأجزاء المنفردة فتعمل مع PyTorch وحده. تتغير الصور في الأرقام الأخيرة فقط.</translation>
    </message>
    <message>
        <source>Guidance has to end after it begins.</source>
        <translation>يجب أن ينتهي التوجيه بعد أن يبدأ.</translation>
    </message>
    <message>
        <source>Measured: {figures}</source>
        <translation>بالقياس: {figures}</translation>
    </message>
    <message>
        <source>{percent} % of the time</source>
        <translation>{percent} % من الزمن</translation>
    </message>
    <message>
        <source>{quality} dB</source>
        <translation>{quality} ديسيبل</translation>
    </message>
    <message>
        <source>The loaded model holds: {parts}</source>
        <translation>النموذج المحمَّل يشغل: {parts}</translation>
    </message>
</context>
<context>
    <name>StarButtons</name>
    <message numerus="yes">
        <source>%n star(s)</source>
        <translation>
            <numerusform>بلا نجوم</numerusform>
            <numerusform>نجمة واحدة</numerusform>
            <numerusform>نجمتان</numerusform>
            <numerusform>%n نجوم</numerusform>
            <numerusform>%n نجمة</numerusform>
            <numerusform>%n نجمة</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>StartBar</name>
    <message>
        <source>Brush</source>
        <translation>فرشاة</translation>
    </message>
    <message>
        <source>Paint over what shall be made anew.</source>
        <translation>لوّن ما يُصنع من جديد.</translation>
    </message>
    <message>
        <source>Eraser</source>
        <translation>ممحاة</translation>
    </message>
    <message>
        <source>Take paint off the mask.</source>
        <translation>إزالة اللون عن القناع.</translation>
    </message>
    <message>
        <source>Undo stroke</source>
        <translation>تراجع عن ضربة</translation>
    </message>
    <message>
        <source>Take the last stroke back.</source>
        <translation>إلغاء آخر ضربة.</translation>
    </message>
    <message>
        <source>Redo stroke</source>
        <translation>إعادة الضربة</translation>
    </message>
    <message>
        <source>Paint the stroke again.</source>
        <translation>رسم الضربة مرة أخرى.</translation>
    </message>
    <message>
        <source>Clear mask</source>
        <translation>مسح القناع</translation>
    </message>
    <message>
        <source>Take all paint away.</source>
        <translation>إزالة كل اللون.</translation>
    </message>
    <message>
        <source>Invert mask</source>
        <translation>عكس القناع</translation>
    </message>
    <message>
        <source>Swap what is painted and what is free.</source>
        <translation>تبديل الملوّن بغير الملوّن.</translation>
    </message>
    <message>
        <source>Remove the start picture</source>
        <translation>إزالة صورة البداية</translation>
    </message>
    <message>
        <source>Make the next picture from the prompt alone.</source>
        <translation>صنع الصورة التالية من الوصف وحده.</translation>
    </message>
    <message>
        <source>How much of the start picture is made anew: 0 keeps it, 1 ignores it.</source>
        <translation>كم يُصنع من جديد من صورة البداية: 0 يبقيها، و1 يتجاهلها.</translation>
    </message>
    <message>
        <source>Strength</source>
        <translation>القوة</translation>
    </message>
    <message>
        <source>The size of the brush; the keys [ and ] change it too.</source>
        <translation>حجم الفرشاة؛ المفتاحان [ و] يغيّرانه أيضًا.</translation>
    </message>
    <message>
        <source>Size of the brush</source>
        <translation>حجم الفرشاة</translation>
    </message>
    <message>
        <source>Start from</source>
        <translation>البدء من</translation>
    </message>
</context>
<context>
    <name>StatusBar</name>
    <message>
        <source>Open the folder that pictures go to</source>
        <translation>فتح المجلد الذي تذهب إليه الصور</translation>
    </message>
    <message>
        <source>Ready</source>
        <translation>جاهز</translation>
    </message>
    <message>
        <source>Starting …</source>
        <translation>البدء …</translation>
    </message>
    <message>
        <source>Loading the model …</source>
        <translation>تحميل النموذج …</translation>
    </message>
    <message>
        <source>Reading the prompt …</source>
        <translation>قراءة الوصف …</translation>
    </message>
    <message>
        <source>Making the picture …</source>
        <translation>صنع الصورة …</translation>
    </message>
    <message>
        <source>Finishing the picture …</source>
        <translation>إنهاء الصورة …</translation>
    </message>
    <message>
        <source>Cancelled</source>
        <translation>أُلغي</translation>
    </message>
    <message>
        <source>Failed</source>
        <translation>فشلت</translation>
    </message>
    <message numerus="yes">
        <source>%n job(s) waiting</source>
        <translation>
            <numerusform>لا مهام تنتظر</numerusform>
            <numerusform>مهمة واحدة تنتظر</numerusform>
            <numerusform>مهمتان تنتظران</numerusform>
            <numerusform>%n مهام تنتظر</numerusform>
            <numerusform>%n مهمة تنتظر</numerusform>
            <numerusform>%n مهمة تنتظر</numerusform>
        </translation>
    </message>
    <message>
        <source>queue paused</source>
        <translation>قائمة الانتظار متوقفة</translation>
    </message>
    <message>
        <source>Network off</source>
        <translation>الشبكة مغلقة</translation>
    </message>
</context>
<context>
    <name>StepScrubber</name>
    <message>
        <source>Steps of the picture</source>
        <translation>خطوات الصورة</translation>
    </message>
    <message>
        <source>Drag back through how the picture formed. The arrow keys go step by step.</source>
        <translation>اسحب عائدًا عبر تكوّن الصورة. أسهم لوحة المفاتيح تنتقل خطوة خطوة.</translation>
    </message>
</context>
<context>
    <name>TakingOut</name>
    <message>
        <source>The picture is on the clipboard.</source>
        <translation>الصورة في الحافظة.</translation>
    </message>
    <message>
        <source>Save the picture</source>
        <translation>حفظ الصورة</translation>
    </message>
    <message>
        <source>Save the picture without its recipe</source>
        <translation>حفظ الصورة بلا وصفتها</translation>
    </message>
    <message>
        <source>PNG (*.png)</source>
        <translation>PNG ‏(*.png)</translation>
    </message>
    <message>
        <source>JPEG (*.jpg *.jpeg)</source>
        <translation>JPEG ‏(*.jpg *.jpeg)</translation>
    </message>
    <message>
        <source>WebP (*.webp)</source>
        <translation>WebP ‏(*.webp)</translation>
    </message>
    <message>
        <source>Saved as {path}</source>
        <translation>حُفظت باسم {path}</translation>
    </message>
</context>
<context>
    <name>cards</name>
    <message>
        <source>The classic: small, quick, with the largest choice of LoRAs and finetunes.</source>
        <translation>الكلاسيكي: صغير وسريع، وله أوسع اختيار من LoRA والنماذج المضبوطة.</translation>
    </message>
    <message>
        <source>Paints into a masked part of a picture so that it fits what is around.</source>
        <translation>يرسم في جزء مقنّع من الصورة بحيث يلائم ما حوله.</translation>
    </message>
    <message>
        <source>Changes a picture as a sentence tells it to, as in &apos;make it winter&apos;.</source>
        <translation>يغيّر الصورة كما تقول له جملة، مثل «اجعلها شتاءً».</translation>
    </message>
    <message>
        <source>A painterly model distilled to four steps: the best choice on a CPU.</source>
        <translation>نموذج ذو طابع تصويري مقطَّر إلى أربع خطوات: أفضل اختيار على المعالج.</translation>
    </message>
    <message>
        <source>A picture in one step, for trying ideas out; not for commercial use.</source>
        <translation>صورة في خطوة واحدة لتجريب الأفكار؛ ليس للاستعمال التجاري.</translation>
    </message>
    <message>
        <source>Larger pictures with more detail and a better ear for prompts.</source>
        <translation>صور أكبر بتفاصيل أكثر وفهم أفضل للأوصاف.</translation>
    </message>
    <message>
        <source>The second half of an XL picture: finer texture and cleaner edges.</source>
        <translation>النصف الثاني من صورة XL: ملمس أدق وحواف أنظف.</translation>
    </message>
    <message>
        <source>XL in one to four steps at 512 pixels; not for commercial use.</source>
        <translation>XL في خطوة إلى أربع خطوات بحجم 512 بكسل؛ ليس للاستعمال التجاري.</translation>
    </message>
    <message>
        <source>A LoRA that lets any XL model draw in four steps.</source>
        <translation>LoRA تجعل أي نموذج XL يرسم في أربع خطوات.</translation>
    </message>
    <message>
        <source>A LoRA that lets any 1.5 model draw in four to eight steps.</source>
        <translation>LoRA تجعل أي نموذج 1.5 يرسم في أربع إلى ثماني خطوات.</translation>
    </message>
    <message>
        <source>A smoother decoder for models of the 1.5 family: better eyes and hands.</source>
        <translation>مفكك ترميز أنعم لنماذج عائلة 1.5: عيون وأيدٍ أفضل.</translation>
    </message>
    <message>
        <source>The decoder of XL without black pictures in half precision.</source>
        <translation>مفكك ترميز XL بلا صور سوداء بنصف الدقة.</translation>
    </message>
</context>
<context>
    <name>catalog</name>
    <message>
        <source>Steady and exact; the same seed keeps its composition when you change the number of steps.</source>
        <translation>ثابت ودقيق؛ تحفظ البذرة نفسها تكوين الصورة حين تغيّر عدد الخطوات.</translation>
    </message>
    <message>
        <source>Simple and fast; a good first choice.</source>
        <translation>بسيط وسريع؛ اختيار أول جيد.</translation>
    </message>
    <message>
        <source>Adds fresh noise at every step: soft, varied pictures that keep changing with more steps.</source>
        <translation>يضيف ضوضاء جديدة عند كل خطوة: صور ناعمة متنوعة تظل تتغير مع خطوات أكثر.</translation>
    </message>
    <message>
        <source>Sharp pictures in few steps; the best choice for most work.</source>
        <translation>صور حادة في خطوات قليلة؛ الأفضل لمعظم العمل.</translation>
    </message>
    <message>
        <source>Like DPM++ 2M with fresh noise at every step: more detail, and it needs more steps.</source>
        <translation>مثل DPM++ 2M مع ضوضاء جديدة عند كل خطوة: تفاصيل أكثر، ويحتاج إلى خطوات أكثر.</translation>
    </message>
    <message>
        <source>DPM++ 2M SDE with another second-order formula; a little softer.</source>
        <translation>DPM++ 2M SDE بصيغة أخرى من الرتبة الثانية؛ أنعم قليلًا.</translation>
    </message>
    <message>
        <source>Looks one step further back than DPM++ 2M; for 25 steps and more.</source>
        <translation>ينظر إلى الخلف خطوة أبعد من DPM++ 2M؛ لـ 25 خطوة فأكثر.</translation>
    </message>
    <message>
        <source>Rich detail with many steps; best with exponential or Karras sigmas and lower guidance.</source>
        <translation>تفاصيل غنية بخطوات كثيرة؛ الأفضل مع سيغما أسية أو Karras وتوجيه أقل.</translation>
    </message>
    <message>
        <source>Every second call refines the step before it; steadier than DPM++ 2M under strong guidance.</source>
        <translation>كل استدعاء ثانٍ يصقل الخطوة قبله؛ أثبت من DPM++ 2M مع توجيه قوي.</translation>
    </message>
    <message>
        <source>Fine, lively detail in few steps that cost twice as much each.</source>
        <translation>تفاصيل دقيقة حية في خطوات قليلة تكلف كل منها الضعف.</translation>
    </message>
    <message>
        <source>Corrects every step at no extra cost; good pictures from 8 steps on.</source>
        <translation>يصحح كل خطوة بلا كلفة إضافية؛ صور جيدة من 8 خطوات فصاعدًا.</translation>
    </message>
    <message>
        <source>UniPC with the formula that its paper prefers for very few steps without guidance.</source>
        <translation>UniPC بالصيغة التي تفضلها ورقته لخطوات قليلة جدًّا بلا توجيه.</translation>
    </message>
    <message>
        <source>Fast and smooth; an alternative to DPM++ 2M below 20 steps.</source>
        <translation>سريع وناعم؛ بديل عن DPM++ 2M دون 20 خطوة.</translation>
    </message>
    <message>
        <source>Euler with every step done twice: more exact, at twice the cost.</source>
        <translation>Euler مع تنفيذ كل خطوة مرتين: أدق بضعف الكلفة.</translation>
    </message>
    <message>
        <source>Looks ahead to the middle of every step; exact, at twice the cost.</source>
        <translation>ينظر إلى منتصف كل خطوة قادمة؛ دقيق بضعف الكلفة.</translation>
    </message>
    <message>
        <source>DPM2 with fresh noise at every step: sharp and varied, at twice the cost.</source>
        <translation>DPM2 مع ضوضاء جديدة عند كل خطوة: حاد ومتنوع بضعف الكلفة.</translation>
    </message>
    <message>
        <source>Goes on from the last four steps; smooth, but it needs 30 steps or more.</source>
        <translation>يواصل من آخر أربع خطوات؛ ناعم لكنه يحتاج إلى 30 خطوة أو أكثر.</translation>
    </message>
    <message>
        <source>Fresh noise while the picture takes shape and none for its detail; varied and clean.</source>
        <translation>ضوضاء جديدة حين تتشكل الصورة وبلا ضوضاء لتفاصيلها؛ متنوع ونظيف.</translation>
    </message>
    <message>
        <source>Pictures in 4 to 8 steps with a model or LoRA distilled for it; blurred with others.</source>
        <translation>صور في 4 إلى 8 خطوات بنموذج أو LoRA مقطَّر له؛ ومشوشة مع غيره.</translation>
    </message>
    <message>
        <source>Like LCM with more detail, for models and LoRAs distilled for it.</source>
        <translation>مثل LCM بتفاصيل أكثر، للنماذج وLoRA المقطَّرة له.</translation>
    </message>
    <message>
        <source>The first scheduler of Stable Diffusion, to make pictures of that time again.</source>
        <translation>أول مُجدوِل لـ Stable Diffusion، لصنع صور ذلك الوقت مرة أخرى.</translation>
    </message>
    <message>
        <source>The original slow sampler with fresh noise at every step; for study and comparison.</source>
        <translation>آخذ العينات البطيء الأصلي بضوضاء جديدة عند كل خطوة؛ للدراسة والمقارنة.</translation>
    </message>
    <message>
        <source>DDIM for programs that work on many timesteps at once; the same pictures.</source>
        <translation>DDIM لبرامج تعمل على أزمنة كثيرة معًا؛ الصور نفسها.</translation>
    </message>
    <message>
        <source>DDPM for programs that work on many timesteps at once.</source>
        <translation>DDPM لبرامج تعمل على أزمنة كثيرة معًا.</translation>
    </message>
    <message>
        <source>The usual choice for flow models.</source>
        <translation>الاختيار المعتاد لنماذج التدفق.</translation>
    </message>
    <message>
        <source>For flow models: every step done twice, more exact at twice the cost.</source>
        <translation>لنماذج التدفق: كل خطوة تُنفذ مرتين، أدق بضعف الكلفة.</translation>
    </message>
    <message>
        <source>For flow models that were distilled to a few steps.</source>
        <translation>لنماذج التدفق التي قُطّرت إلى خطوات قليلة.</translation>
    </message>
    <message>
        <source>Euler for models with the preconditioning of EDM.</source>
        <translation>Euler لنماذج بتكييف EDM المسبق.</translation>
    </message>
    <message>
        <source>DPM++ 2M for models with the preconditioning of EDM.</source>
        <translation>DPM++ 2M لنماذج بتكييف EDM المسبق.</translation>
    </message>
    <message>
        <source>DPM++ 2M SDE for the models of Stable Audio.</source>
        <translation>DPM++ 2M SDE لنماذج Stable Audio.</translation>
    </message>
    <message>
        <source>One to four steps, for models distilled by continuous-time consistency.</source>
        <translation>خطوة إلى أربع خطوات، للنماذج المقطَّرة باتساق الزمن المستمر.</translation>
    </message>
    <message>
        <source>One or two steps, for consistency models.</source>
        <translation>خطوة أو خطوتان، لنماذج الاتساق.</translation>
    </message>
    <message>
        <source>Fourth-order multistep for models of continuous time.</source>
        <translation>متعدد الخطوات من الرتبة الرابعة لنماذج الزمن المستمر.</translation>
    </message>
    <message>
        <source>The stochastic sampler of Karras et al. for variance-exploding score models.</source>
        <translation>آخذ العينات العشوائي لـ Karras وزملائه لنماذج الدرجة ذات التباين المتفجر.</translation>
    </message>
    <message>
        <source>Predictor and corrector for variance-exploding score models; slow, for study.</source>
        <translation>متنبئ ومصحح لنماذج الدرجة ذات التباين المتفجر؛ بطيء، للدراسة.</translation>
    </message>
    <message>
        <source>The reverse SDE of variance-preserving score models; slow, for study.</source>
        <translation>المعادلة العكسية لنماذج الدرجة الحافظة للتباين؛ بطيء، للدراسة.</translation>
    </message>
    <message>
        <source>DDPM as the prior and the decoders of Karlo were trained with.</source>
        <translation>DDPM كما دُربت به سابقة Karlo ومفككات ترميزه.</translation>
    </message>
    <message>
        <source>DDPM on continuous time, for Wuerstchen and Stable Cascade.</source>
        <translation>DDPM على زمن مستمر، لـ Wuerstchen وStable Cascade.</translation>
    </message>
    <message>
        <source>Steps over classes instead of numbers, for VQ-Diffusion.</source>
        <translation>خطوات على أصناف بدل الأعداد، لـ VQ-Diffusion.</translation>
    </message>
    <message>
        <source>Uncovers the masked elements it is surest of first, for aMUSEd.</source>
        <translation>يكشف أولًا عن العناصر المقنّعة التي هو أوثق منها، لـ aMUSEd.</translation>
    </message>
    <message>
        <source>Fills a masked part with a model that was never trained for it, going back and forth.</source>
        <translation>يملأ جزءًا مقنّعًا بنموذج لم يُدرب على ذلك، ذهابًا وإيابًا.</translation>
    </message>
    <message>
        <source>Turns a picture back into the noise that DDIM would make it from.</source>
        <translation>يعيد الصورة إلى الضوضاء التي كان DDIM سيصنعها منها.</translation>
    </message>
    <message>
        <source>Turns a picture back into the noise that DPM++ 2M would make it from.</source>
        <translation>يعيد الصورة إلى الضوضاء التي كان DPM++ 2M سيصنعها منها.</translation>
    </message>
    <message>
        <source>Default</source>
        <translation>الافتراضي</translation>
    </message>
    <message>
        <source>The spacing that the model was made with.</source>
        <translation>التباعد الذي صُنع به النموذج.</translation>
    </message>
    <message>
        <source>Karras</source>
        <translation>Karras</translation>
    </message>
    <message>
        <source>Small steps at the end, where fine detail forms; often better below 20 steps.</source>
        <translation>خطوات صغيرة في النهاية حيث تتكون التفاصيل الدقيقة؛ أفضل غالبًا دون 20 خطوة.</translation>
    </message>
    <message>
        <source>Exponential</source>
        <translation>أسي</translation>
    </message>
    <message>
        <source>Noise falls by the same factor at every step; smooth pictures with few steps.</source>
        <translation>تهبط الضوضاء بالنسبة نفسها عند كل خطوة؛ صور ناعمة بخطوات قليلة.</translation>
    </message>
    <message>
        <source>Beta</source>
        <translation>بيتا</translation>
    </message>
    <message>
        <source>Small steps at the start and at the end.</source>
        <translation>خطوات صغيرة في البداية وفي النهاية.</translation>
    </message>
</context>
<context>
    <name>errors</name>
    <message>
        <source>The folder {0} cannot be made ({1}); choose another one.</source>
        <translation>لا يمكن إنشاء المجلد {0} ({1})؛ اختر غيره.</translation>
    </message>
    <message>
        <source>The picture {0} is not there any more; it was moved or deleted outside Sfumato.</source>
        <translation>الصورة {0} لم تعد موجودة؛ نُقلت أو حُذفت خارج Sfumato.</translation>
    </message>
    <message>
        <source>The picture {0} is damaged and cannot be copied in another format.</source>
        <translation>الصورة {0} تالفة ولا يمكن نسخها بصيغة أخرى.</translation>
    </message>
    <message>
        <source>The history of prompts in {0} cannot be read ({1}); mend or remove the file.</source>
        <translation>لا يمكن قراءة سجل الأوصاف في {0} ({1})؛ أصلح الملف أو أزله.</translation>
    </message>
    <message>
        <source>The file {0} has no columns name and prompt; choose a styles.csv of A1111.</source>
        <translation>ليس في الملف {0} العمودان name وprompt؛ اختر ملف styles.csv من A1111.</translation>
    </message>
    <message>
        <source>The styles in {0} cannot be read ({1}); mend or remove the file.</source>
        <translation>لا يمكن قراءة الأنماط في {0} ({1})؛ أصلح الملف أو أزله.</translation>
    </message>
    <message>
        <source>The file {0} does not exist; choose a styles.csv.</source>
        <translation>الملف {0} غير موجود؛ اختر ملف styles.csv.</translation>
    </message>
    <message>
        <source>The file {0} cannot be read ({1}); choose a styles.csv.</source>
        <translation>لا يمكن قراءة الملف {0} ({1})؛ اختر ملف styles.csv.</translation>
    </message>
    <message>
        <source>The sheet would be {0} × {1} pixels; give fewer values, or make smaller pictures.</source>
        <translation>ستكون اللوحة {0} × {1} بكسل؛ أعط قيمًا أقل، أو اصنع صورًا أصغر.</translation>
    </message>
    <message>
        <source>The sheet {0} cannot be written ({1}); free space or choose another folder.</source>
        <translation>لا يمكن كتابة اللوحة {0} ({1})؛ أخلِ مساحة أو اختر مجلدًا آخر.</translation>
    </message>
    <message>
        <source>The picture {0} cannot be put on the sheet ({1}); it is damaged or gone.</source>
        <translation>لا يمكن وضع الصورة {0} على اللوحة ({1})؛ هي تالفة أو مفقودة.</translation>
    </message>
    <message>
        <source>There is no value for the {0}; type some, divided by commas.</source>
        <translation>لا قيمة لـ{0}؛ اكتب قيمًا تفصل بينها فواصل.</translation>
    </message>
    <message>
        <source>There are {0} values for the {1}; give at most {2}.</source>
        <translation>القيم {0} لـ{1}؛ أعط {2} على الأكثر.</translation>
    </message>
    <message>
        <source>The grid has {0} pictures; at most {1} fit on a sheet; give fewer values.</source>
        <translation>في الشبكة {0} صورة؛ تتسع اللوحة لـ{1} على الأكثر؛ أعط قيمًا أقل.</translation>
    </message>
    <message>
        <source>The range {0} leads nowhere; write it as 1-10 (+2), from the smaller to the larger.</source>
        <translation>المدى {0} لا يؤدي إلى شيء؛ اكتبه هكذا 1-10 (+2)، من الأصغر إلى الأكبر.</translation>
    </message>
    <message>
        <source>The range {0} has {1} values; give at most {2}.</source>
        <translation>في المدى {0} عدد {1} من القيم؛ أعط {2} على الأكثر.</translation>
    </message>
    <message>
        <source>The range {0} has {1} values; give 2 to {2}.</source>
        <translation>في المدى {0} عدد {1} من القيم؛ أعط من 2 إلى {2}.</translation>
    </message>
    <message>
        <source>The value {0} for the {1} is not {2}; correct it.</source>
        <translation>القيمة {0} لـ{1} ليست {2}؛ صحّحها.</translation>
    </message>
    <message>
        <source>The scheduler {0} is unknown; choose one from the list beside the values.</source>
        <translation>المُجدول {0} غير معروف؛ اختر واحدًا من القائمة بجانب القيم.</translation>
    </message>
    <message>
        <source>The {0} does not contain {1}, the first value, which the others replace; begin with words that are in it.</source>
        <translation>لا يحتوي {0} على {1}، وهي القيمة الأولى التي تحل غيرها محلها؛ ابدأ بكلمات موجودة فيه.</translation>
    </message>
    <message>
        <source>The setting {0} cannot be {1}; choose {2}.</source>
        <translation>لا يمكن أن يكون الإعداد {0} هو {1}؛ اختر {2}.</translation>
    </message>
    <message>
        <source>The settings cannot be saved to {0} ({1}); check the folder and the disk.</source>
        <translation>لا يمكن حفظ الإعدادات في {0} ({1})؛ افحص المجلد والقرص.</translation>
    </message>
    <message>
        <source>The settings in {0} cannot be read ({1}); defaults hold now.</source>
        <translation>لا يمكن قراءة الإعدادات في {0} ({1})؛ تسري الآن القيم الأصلية.</translation>
    </message>
    <message>
        <source>The settings in {0} are damaged ({1}); defaults hold now.</source>
        <translation>الإعدادات في {0} تالفة ({1})؛ تسري الآن القيم الأصلية.</translation>
    </message>
    <message>
        <source>The settings were damaged and are now kept as {0}; defaults hold until you change them.</source>
        <translation>كانت الإعدادات تالفة وهي محفوظة الآن في {0}؛ تسري القيم الأصلية حتى تغيّرها.</translation>
    </message>
    <message>
        <source>The setting {0} cannot be {1} as {2} says; its default holds until you choose {3}.</source>
        <translation>لا يمكن أن يكون الإعداد {0} هو {1} كما يقول {2}؛ تسري قيمته الأصلية حتى تختار {3}.</translation>
    </message>
    <message>
        <source>A picture cannot have {0} stars; give 0 to 5.</source>
        <translation>لا يمكن أن تكون للصورة {0} نجوم؛ أعط من 0 إلى 5.</translation>
    </message>
    <message>
        <source>A board cannot be called {0}; give a name of 1 to 80 letters.</source>
        <translation>لا يمكن تسمية اللوح {0}؛ أعط اسمًا من 1 إلى 80 حرفًا.</translation>
    </message>
    <message>
        <source>There is a board {0} already; choose another name.</source>
        <translation>يوجد لوح باسم {0}؛ اختر اسمًا آخر.</translation>
    </message>
    <message>
        <source>The file {0} cannot be written ({1}); choose another folder.</source>
        <translation>لا يمكن كتابة الملف {0} ({1})؛ اختر مجلدًا آخر.</translation>
    </message>
    <message>
        <source>The disk that holds {0} is full; free some space and try again.</source>
        <translation>القرص الذي فيه {0} ممتلئ؛ أخلِ مساحة وحاول ثانية.</translation>
    </message>
    <message>
        <source>The thumbnail {0} is damaged; it is made again.</source>
        <translation>الصورة المصغرة {0} تالفة؛ تُصنع من جديد.</translation>
    </message>
    <message>
        <source>The picture {0} is damaged or no picture; delete it, or open it in another program.</source>
        <translation>الصورة {0} تالفة أو ليست صورة؛ احذفها، أو افتحها في برنامج آخر.</translation>
    </message>
    <message>
        <source>The picture {0} is not there any more; nothing was deleted.</source>
        <translation>الصورة {0} لم تعد موجودة؛ لم يُحذف شيء.</translation>
    </message>
    <message>
        <source>The picture {0} cannot be deleted: its folder cannot be written to; allow that first.</source>
        <translation>لا يمكن حذف الصورة {0}: لا يمكن الكتابة في مجلدها؛ اسمح بذلك أولًا.</translation>
    </message>
    <message>
        <source>The picture {0} is no longer in the trash; it cannot be brought back.</source>
        <translation>الصورة {0} لم تعد في المهملات؛ لا يمكن استعادتها.</translation>
    </message>
    <message>
        <source>The picture {0} cannot go to the trash ({1}); delete it in a file manager.</source>
        <translation>لا يمكن نقل الصورة {0} إلى المهملات ({1})؛ احذفها في مدير الملفات.</translation>
    </message>
    <message>
        <source>The picture {0} cannot be brought back ({1}); it is still in the trash.</source>
        <translation>لا يمكن استعادة الصورة {0} ({1})؛ ما زالت في المهملات.</translation>
    </message>
    <message>
        <source>The pictures folder {0} is not there; connect its drive, or choose another one in Settings.</source>
        <translation>مجلد الصور {0} غير موجود؛ صل قرصه، أو اختر غيره في الإعدادات.</translation>
    </message>
    <message>
        <source>The picture {0} cannot be read ({1}); check the path.</source>
        <translation>لا يمكن قراءة الصورة {0} ({1})؛ افحص المسار.</translation>
    </message>
    <message>
        <source>The pictures folder {0} cannot be read; allow it, or choose another folder.</source>
        <translation>لا يمكن قراءة مجلد الصور {0}؛ اسمح بذلك، أو اختر مجلدًا آخر.</translation>
    </message>
    <message>
        <source>Pictures cannot be saved as {0}; choose .png, .jpg or .webp.</source>
        <translation>لا يمكن حفظ الصور بصيغة {0}؛ اختر ‎.png أو ‎.jpg أو ‎.webp.</translation>
    </message>
    <message>
        <source>The picture {0} is no longer there; it was moved or deleted outside Sfumato.</source>
        <translation>لم تعد الصورة {0} هناك؛ نُقلت أو حُذفت خارج Sfumato.</translation>
    </message>
    <message>
        <source>The picture {0} cannot be read ({1}); it may be damaged.</source>
        <translation>لا يمكن قراءة الصورة {0} ({1})؛ قد تكون تالفة.</translation>
    </message>
    <message>
        <source>The file {0} cannot be written ({1}); check the folder and the disk.</source>
        <translation>لا يمكن كتابة الملف {0} ({1})؛ افحص المجلد والقرص.</translation>
    </message>
    <message>
        <source>This picture was made with {0} in another program, which does not say where that model is; use its recipe, then choose the model.</source>
        <translation>صُنعت هذه الصورة بالنموذج {0} في برنامج آخر لا يقول أين ذلك النموذج؛ استعمل وصفتها، ثم اختر النموذج.</translation>
    </message>
    <message>
        <source>The recipe&apos;s value for {0} cannot be read.</source>
        <translation>لا يمكن قراءة قيمة {0} في الوصفة.</translation>
    </message>
    <message>
        <source>The recipe does not say the {0}, so it cannot be replayed.</source>
        <translation>لا تقول الوصفة {0}، فلا يمكن إعادة صنعها.</translation>
    </message>
    <message>
        <source>The recipe has {0} for its {1}, which cannot be read, so it cannot be replayed.</source>
        <translation>في الوصفة {0} قيمةً لـ{1} ولا يمكن قراءتها، فلا يمكن إعادة صنعها.</translation>
    </message>
    <message>
        <source>This picture was made from {0}, which is not there any more; put it back, then replay.</source>
        <translation>صُنعت هذه الصورة من {0}، ولم تعد موجودة؛ أعدها إلى مكانها، ثم أعد الصنع.</translation>
    </message>
    <message>
        <source>The picture {0} cannot be compared ({1}); it is damaged or gone.</source>
        <translation>لا يمكن مقارنة الصورة {0} ({1})؛ هي تالفة أو مفقودة.</translation>
    </message>
    <message>
        <source>The picture {0} cannot be written ({1}); choose another folder.</source>
        <translation>لا يمكن كتابة الصورة {0} ({1})؛ اختر مجلدًا آخر.</translation>
    </message>
    <message>
        <source>The name pattern {0} gives {1}, which is no file name; choose another one.</source>
        <translation>نمط الاسم {0} يعطي {1}، وليس اسم ملف؛ اختر غيره.</translation>
    </message>
    <message>
        <source>The disk that holds {0} is full; free some space and generate again.</source>
        <translation>القرص الذي فيه {0} ممتلئ؛ أخلِ مساحة وولّد ثانية.</translation>
    </message>
    <message>
        <source>The folder {0} is gone; create it again, or choose another one.</source>
        <translation>المجلد {0} اختفى؛ أنشئه من جديد، أو اختر غيره.</translation>
    </message>
    <message>
        <source>The folder {0} takes no new files; choose another one.</source>
        <translation>المجلد {0} لا يقبل ملفات جديدة؛ اختر غيره.</translation>
    </message>
    <message>
        <source>{0} is a file and no folder; choose another folder.</source>
        <translation>{0} ملف وليس مجلدًا؛ اختر مجلدًا آخر.</translation>
    </message>
    <message>
        <source>The {0} in {1} is damaged; start Sfumato again, which moves it aside and begins a fresh one.</source>
        <translation>{0} في {1} تالف؛ شغّل Sfumato من جديد، فينقله جانبًا ويبدأ ملفًا جديدًا.</translation>
    </message>
    <message>
        <source>The disk that holds {0} is full, so the {1} cannot be saved; free some space.</source>
        <translation>القرص الذي فيه {0} ممتلئ، فلا يمكن حفظ {1}؛ أخلِ مساحة.</translation>
    </message>
    <message>
        <source>The {0} in {1} is in use by another program; close that one and try again.</source>
        <translation>{0} في {1} يستعمله برنامج آخر؛ أغلقه وحاول ثانية.</translation>
    </message>
    <message>
        <source>The {0} in {1} cannot be read or written ({2}); check the disk.</source>
        <translation>لا يمكن قراءة {0} في {1} أو كتابته ({2})؛ افحص القرص.</translation>
    </message>
    <message>
        <source>The folder {0} of the {1} is gone; create it again.</source>
        <translation>اختفى المجلد {0} الذي فيه {1}؛ أنشئه من جديد.</translation>
    </message>
    <message>
        <source>{0}, where the {1} is kept, is a folder; move it away.</source>
        <translation>{0}، حيث يُحفظ {1}، مجلد؛ انقله إلى مكان آخر.</translation>
    </message>
    <message>
        <source>The {0} cannot be kept in {1}, which cannot be written to; allow it, or choose another folder.</source>
        <translation>لا يمكن حفظ {0} في {1} الذي لا يمكن الكتابة فيه؛ اسمح بذلك، أو اختر مجلدًا آخر.</translation>
    </message>
    <message>
        <source>The {0} in {1} was damaged; it was moved to {2} and a fresh one was begun.</source>
        <translation>كان {0} في {1} تالفًا؛ نُقل إلى {2} وبُدئ ملف جديد.</translation>
    </message>
    <message>
        <source>The {0} cannot be kept in {1} ({2}); choose a folder that you may write to.</source>
        <translation>لا يمكن حفظ {0} في {1} ({2})؛ اختر مجلدًا تستطيع الكتابة فيه.</translation>
    </message>
    <message>
        <source>The {0} in {1} was written by a newer version of Sfumato (it has version {2}, this one knows {3}); install that version again, or move the file away to begin afresh.</source>
        <translation>{0} في {1} كتبه إصدار أحدث من Sfumato (إصداره {2}، وهذا يعرف {3})؛ ثبّت ذلك الإصدار من جديد، أو انقل الملف لتبدأ من جديد.</translation>
    </message>
    <message>
        <source>The {0} has {1} characters; at most {2} are taken, so shorten it.</source>
        <translation>في {0} عدد {1} من الأحرف؛ يُقبل {2} على الأكثر، فاختصره.</translation>
    </message>
    <message>
        <source>The {0} {1} holds bytes that are not text; type it again.</source>
        <translation>في {0} {1} بايتات ليست نصًّا؛ اكتبه من جديد.</translation>
    </message>
    <message>
        <source>The device {0} is unknown; choose auto, cpu, cuda, cuda:N or mps.</source>
        <translation>الجهاز {0} غير معروف؛ اختر auto أو cpu أو cuda أو cuda:N أو mps.</translation>
    </message>
    <message>
        <source>The prompt syntax {0} is unknown; choose one of {1}.</source>
        <translation>صياغة الوصف {0} غير معروفة؛ اختر واحدة من {1}.</translation>
    </message>
    <message>
        <source>The device {0} is not present on this machine; choose auto or cpu.</source>
        <translation>الجهاز {0} ليس في هذا الحاسوب؛ اختر auto أو cpu.</translation>
    </message>
    <message>
        <source>The precision {0} is unknown; choose one of {1}.</source>
        <translation>الدقة {0} غير معروفة؛ اختر واحدة من {1}.</translation>
    </message>
    <message>
        <source>The scheduler {0} is unknown; choose one of {1}.</source>
        <translation>المُجدول {0} غير معروف؛ اختر واحدًا من {1}.</translation>
    </message>
    <message>
        <source>The embedded model {0} is missing; install Sfumato again, or name another model.</source>
        <translation>النموذج المضمّن {0} مفقود؛ ثبّت Sfumato من جديد، أو اختر نموذجًا آخر.</translation>
    </message>
    <message>
        <source>The model in {0} is of the kind {1}; choose one of a known kind: {2}.</source>
        <translation>النموذج في {0} من النوع {1}؛ اختر واحدًا من نوع معروف: {2}.</translation>
    </message>
    <message>
        <source>The {0} {1} is out of range; choose a value from {2} to {3}.</source>
        <translation>القيمة {1} لـ{0} خارج المدى؛ اختر قيمة من {2} إلى {3}.</translation>
    </message>
    <message>
        <source>The {0} {1} is no multiple of {2}, which the model {3} needs; choose {4} or {5}.</source>
        <translation>القيمة {1} لـ{0} ليست من مضاعفات {2} التي يحتاج إليها النموذج {3}؛ اختر {4} أو {5}.</translation>
    </message>
    <message>
        <source>The scheduler {0} has no sigma schedule {1}; choose {2}.</source>
        <translation>ليس للمُجدول {0} جدول سيغما {1}؛ اختر {2}.</translation>
    </message>
    <message>
        <source>The scheduler {0} needs a model that predicts {1}, and this one predicts {2}; choose another scheduler.</source>
        <translation>يحتاج المُجدول {0} إلى نموذج يتنبأ بـ{1}، وهذا يتنبأ بـ{2}؛ اختر مُجدولًا آخر.</translation>
    </message>
    <message>
        <source>The scheduler {0} is made for {1}; choose another one for pictures.</source>
        <translation>المُجدول {0} مصنوع لـ{1}؛ اختر غيره للصور.</translation>
    </message>
    <message>
        <source>The model {0} does not exist; choose another one.</source>
        <translation>النموذج {0} غير موجود؛ اختر غيره.</translation>
    </message>
    <message>
        <source>The record {0} has no name that a record can have; branch from a step again.</source>
        <translation>اسم السجل {0} لا يصلح لسجل؛ تفرّع من خطوة من جديد.</translation>
    </message>
    <message>
        <source>The steps cannot be stored in {0} ({1}); free some space, or switch them off.</source>
        <translation>لا يمكن حفظ الخطوات في {0} ({1})؛ أخلِ مساحة، أو أوقف حفظها.</translation>
    </message>
    <message>
        <source>There is not enough memory for this picture; choose a smaller size or a lower precision.</source>
        <translation>لا تكفي الذاكرة لهذه الصورة؛ اختر حجمًا أصغر أو دقة أقل.</translation>
    </message>
    <message>
        <source>The device stopped answering: the model is loaded again for one more try.</source>
        <translation>توقف الجهاز عن الاستجابة: يُحمَّل النموذج من جديد لمحاولة أخرى.</translation>
    </message>
    <message>
        <source>The device no longer answers ({0}); close Sfumato and start it again. The queue is kept.</source>
        <translation>لم يعد الجهاز يستجيب ({0})؛ أغلق Sfumato وشغّله من جديد. تبقى قائمة الانتظار محفوظة.</translation>
    </message>
    <message>
        <source>The VAE {0} does not exist; choose another one, or the model&apos;s own.</source>
        <translation>المرمّز {0} غير موجود؛ اختر غيره، أو مرمّز النموذج نفسه.</translation>
    </message>
    <message>
        <source>No steps are kept, so that there is none to branch from; switch the records on.</source>
        <translation>لا تُحفظ خطوات، فلا خطوة للتفرّع منها؛ شغّل حفظها.</translation>
    </message>
    <message>
        <source>The picture has no step {0} to branch from; choose an earlier one.</source>
        <translation>ليست في الصورة خطوة {0} للتفرّع منها؛ اختر خطوة أسبق.</translation>
    </message>
    <message>
        <source>The state of that step is gone; the steps are made again.</source>
        <translation>حالة تلك الخطوة لم تعد محفوظة؛ تُصنع الخطوات من جديد.</translation>
    </message>
    <message>
        <source>A mask needs the picture that it belongs to; choose a picture to start from.</source>
        <translation>القناع يحتاج إلى صورته؛ اختر صورة تبدأ منها.</translation>
    </message>
    <message>
        <source>The picture {0} does not exist; choose another one.</source>
        <translation>الصورة {0} غير موجودة؛ اختر غيرها.</translation>
    </message>
    <message>
        <source>The picture {0} does not exist; check the path.</source>
        <translation>الصورة {0} غير موجودة؛ افحص المسار.</translation>
    </message>
    <message>
        <source>The picture {0} cannot be read ({1}); choose another one.</source>
        <translation>لا يمكن قراءة الصورة {0} ({1})؛ اختر غيرها.</translation>
    </message>
    <message>
        <source>The picture {0} is damaged ({1}); choose another one.</source>
        <translation>الصورة {0} تالفة ({1})؛ اختر غيرها.</translation>
    </message>
    <message>
        <source>The recipe that {0} left in the picture cannot be read; the picture&apos;s metadata was changed.</source>
        <translation>لا يمكن قراءة الوصفة التي تركها {0} في الصورة؛ غُيّرت بيانات الصورة.</translation>
    </message>
    <message>
        <source>The recipe in the picture is not valid JSON; the picture&apos;s metadata was changed.</source>
        <translation>الوصفة في الصورة ليست JSON صحيحًا؛ غُيّرت بيانات الصورة.</translation>
    </message>
    <message>
        <source>The recipe in the picture is not a JSON object; the picture&apos;s metadata was changed.</source>
        <translation>الوصفة في الصورة ليست كائن JSON؛ غُيّرت بيانات الصورة.</translation>
    </message>
    <message>
        <source>The recipe in the picture has the wrong value {0} for {1}.</source>
        <translation>في الوصفة التي في الصورة قيمة خاطئة {0} لـ{1}.</translation>
    </message>
    <message>
        <source>The adapter {0} cannot be read ({1}); choose another one.</source>
        <translation>لا يمكن قراءة المحوّل {0} ({1})؛ اختر غيره.</translation>
    </message>
    <message>
        <source>The adapter {0} is not in {1}; {2}</source>
        <translation>المحوّل {0} ليس في {1}؛ {2}</translation>
    </message>
    <message>
        <source>The stored state of {0} is damaged; make the picture again.</source>
        <translation>الحالة المحفوظة لـ{0} تالفة؛ اصنع الصورة من جديد.</translation>
    </message>
    <message>
        <source>The file {0} of Sfumato itself is missing; install Sfumato again.</source>
        <translation>الملف {0} من Sfumato نفسه مفقود؛ ثبّت Sfumato من جديد.</translation>
    </message>
    <message>
        <source>The disk that holds {0} is full; free some space and go on with the download.</source>
        <translation>القرص الذي فيه {0} ممتلئ؛ أخلِ مساحة وتابع التنزيل.</translation>
    </message>
    <message>
        <source>{0} needs {1} GB, but {2} has {3} GB free; make room, or choose another folder for models.</source>
        <translation>يحتاج {0} إلى {1} غيغابايت، وفي {2} مساحة {3} غيغابايت؛ أخلِ مساحة، أو اختر مجلدًا آخر للنماذج.</translation>
    </message>
    <message>
        <source>There is no tiny autoencoder in {0}; choose a folder with its config.json.</source>
        <translation>لا يوجد مرمّز تلقائي صغير في {0}؛ اختر مجلدًا فيه ملف config.json الخاص به.</translation>
    </message>
    <message>
        <source>The tiny autoencoder in {0} is for latents of {1} channels, this model&apos;s have {2}; choose one that was made for this model.</source>
        <translation>المرمّز التلقائي الصغير في {0} لقيم كامنة من {1} من القنوات، ولهذا النموذج {2}؛ اختر واحدًا صُنع لهذا النموذج.</translation>
    </message>
    <message>
        <source>Adapters change weights, which the back end {0} has compiled; choose the back end torch for this prompt, or take &lt;lora:{1}&gt; out of it.</source>
        <translation>تغيّر المحوّلات الأوزان، وقد ترجمها المحرك {0}؛ اختر المحرك torch لهذا الوصف، أو احذف منه &lt;lora:{1}&gt;.</translation>
    </message>
    <message>
        <source>{0} parts of the adapter {1} have no place in this model.</source>
        <translation>لا مكان في هذا النموذج لـ{0} من أجزاء المحوّل {1}.</translation>
    </message>
    <message>
        <source>Nothing can be compiled here, so the model works without that: {0}</source>
        <translation>لا يمكن ترجمة شيء هنا، فيعمل النموذج من دون ذلك: {0}</translation>
    </message>
    <message>
        <source>No CUDA graph can be recorded here, so each step is asked for piece by piece: {0}</source>
        <translation>لا يمكن تسجيل مخطط CUDA هنا، فتُطلب كل خطوة جزءًا جزءًا: {0}</translation>
    </message>
    <message>
        <source>This kind of run knows no guidance rescale; it is left out.</source>
        <translation>هذا النوع من التشغيل لا يعرف إعادة قياس التوجيه؛ فتُترك.</translation>
    </message>
    <message>
        <source>The autoencoder overflows in float16, so it works in float32 until the model is loaded again.</source>
        <translation>يفيض المرمّز في دقة float16، فيعمل بدقة float32 حتى يُحمّل النموذج من جديد.</translation>
    </message>
    <message>
        <source>In {0} this processor is no faster: OpenVINO computes in float32.</source>
        <translation>هذا المعالج ليس أسرع في {0}: يحسب OpenVINO في float32.</translation>
    </message>
    <message>
        <source>The steps go on at noise level {0}, the nearest of this scheduler to {1}: step {2} of {3}.</source>
        <translation>تستمر الخطوات عند مستوى الضوضاء {0}، وهو الأقرب في هذا المُجدول إلى {1}: الخطوة {2} من {3}.</translation>
    </message>
    <message>
        <source>What made the steps {0} is no longer stored in {1}; make the picture again to branch from.</source>
        <translation>ما صنع الخطوات {0} لم يعد محفوظًا في {1}؛ اصنع الصورة من جديد لتتفرع منها.</translation>
    </message>
    <message>
        <source>The guidance cannot last from {0} to {1} of the steps; let it end after it begins, or set the guidance itself to 1.</source>
        <translation>لا يمكن أن يدوم التوجيه من {0} إلى {1} من الخطوات؛ اجعله ينتهي بعد أن يبدأ، أو اضبط التوجيه نفسه على 1.</translation>
    </message>
    <message>
        <source>The final autoencoder cannot be {0}; give its folder.</source>
        <translation>لا يمكن أن يكون المرمّز الأخير {0}؛ اذكر مجلده.</translation>
    </message>
    <message>
        <source>The {0} {1} is unknown; choose one of {2}.</source>
        <translation>قيمة {0} هي {1}، وهي غير معروفة؛ اختر واحدة من {2}.</translation>
    </message>
    <message>
        <source>The back end {0} is unknown; choose one of {1}.</source>
        <translation>المحرك {0} غير معروف؛ اختر واحدًا من {1}.</translation>
    </message>
    <message>
        <source>The back end {0} computes on the processor, not on {1}; choose the device cpu, or the back end torch.</source>
        <translation>يحسب المحرك {0} على المعالج لا على {1}؛ اختر الجهاز cpu، أو المحرك torch.</translation>
    </message>
    <message>
        <source>The switch {0} works with the back end torch only, not with {1}; set one of them back.</source>
        <translation>لا يعمل الخيار {0} إلا مع المحرك torch، لا مع {1}؛ أعد ضبط أحدهما.</translation>
    </message>
    <message>
        <source>There is no switch {0}; choose of {1}.</source>
        <translation>لا يوجد الخيار {0}؛ اختر من {1}.</translation>
    </message>
    <message>
        <source>The memory plan {0} is unknown; choose one of {1}.</source>
        <translation>خطة الذاكرة {0} غير معروفة؛ اختر واحدة من {1}.</translation>
    </message>
    <message>
        <source>The memory mode {0} is unknown; choose one of {1}.</source>
        <translation>وضع الذاكرة {0} غير معروف؛ اختر واحدًا من {1}.</translation>
    </message>
    <message>
        <source>The {0} of this model is a {1}, which no back end but torch knows; choose torch.</source>
        <translation>الجزء {0} من هذا النموذج من النوع {1}، ولا يعرفه محرك غير torch؛ اختر torch.</translation>
    </message>
    <message>
        <source>{0} needs the package {1}, which is missing or damaged: run `pip install sfumato[{2}]`, or choose the back end torch.</source>
        <translation>يحتاج {0} إلى الحزمة {1}، وهي مفقودة أو تالفة: نفّذ `pip install sfumato[{2}]`، أو اختر المحرك torch.</translation>
    </message>
    <message>
        <source>ONNX Runtime computes in float32 on a processor, not in {0}; choose the precision float32, or the back end openvino.</source>
        <translation>يحسب ONNX Runtime على المعالج بدقة float32 لا {0}؛ اختر الدقة float32، أو المحرك openvino.</translation>
    </message>
    <message>
        <source>Token merging works with the back end torch only; switch one of them off.</source>
        <translation>لا يعمل دمج الرموز إلا مع المحرك torch؛ أوقف أحدهما.</translation>
    </message>
    <message>
        <source>This back end computes without {0}; choose the back end torch for this run.</source>
        <translation>يحسب هذا المحرك من دون {0}؛ اختر المحرك torch لهذا التشغيل.</translation>
    </message>
    <message>
        <source>Weights of the kind int8 need the library torchao, which is not installed; run pip install torchao, or choose float8.</source>
        <translation>تحتاج الأوزان من النوع int8 إلى المكتبة torchao، وهي غير مثبتة؛ نفّذ pip install torchao، أو اختر float8.</translation>
    </message>
    <message>
        <source>Weights of the kind float8 cannot be kept on the device {0}; choose float16, or the device cpu.</source>
        <translation>لا يمكن حفظ أوزان من النوع float8 على الجهاز {0}؛ اختر float16 أو الجهاز cpu.</translation>
    </message>
    <message>
        <source>DeepCache leaves out layers that a ControlNet or T2I-Adapter adds to; switch one of them off.</source>
        <translation>يترك DeepCache طبقات تضيف إليها ControlNet أو T2I-Adapter؛ أوقف أحدهما.</translation>
    </message>
    <message>
        <source>DeepCache knows no way around {0}, with which this UNet ends; switch it off (1) for this model.</source>
        <translation>لا يعرف DeepCache طريقًا حول {0} الذي تنتهي به شبكة UNet هذه؛ أوقفه (1) لهذا النموذج.</translation>
    </message>
    <message>
        <source>{0} is guided by a picture, too, at every step; let guidance last from {1} to {2}.</source>
        <translation>{0} توجّهه صورة أيضًا في كل خطوة؛ اجعل التوجيه يدوم من {1} إلى {2}.</translation>
    </message>
    <message>
        <source>strength {0} leaves none of the {1} steps; raise one of the two.</source>
        <translation>القوة {0} لا تُبقي شيئًا من الخطوات وعددها {1}؛ ارفع أحد العددين.</translation>
    </message>
    <message>
        <source>a run of {0} steps cannot go on from step {1}; choose an earlier one.</source>
        <translation>لا يمكن لتشغيل من {0} من الخطوات أن يستمر من الخطوة {1}؛ اختر خطوة أسبق.</translation>
    </message>
    <message>
        <source>this model&apos;s UNet has {0} input channels; {1} takes {2}, so choose another model or task.</source>
        <translation>لشبكة UNet في هذا النموذج {0} من قنوات الإدخال؛ وتحتاج المهمة {1} إلى {2}، فاختر نموذجًا آخر أو مهمة أخرى.</translation>
    </message>
    <message>
        <source>{0} has no class for {1}; its models do {2}.</source>
        <translation>ليس لـ{0} صنف للمهمة {1}؛ تؤدي نماذجه {2}.</translation>
    </message>
    <message>
        <source>{0} cannot be {1}; it must be a positive multiple of {2}.</source>
        <translation>لا يمكن أن يكون {0} هو {1}؛ يجب أن يكون مضاعفًا موجبًا لـ{2}.</translation>
    </message>
    <message>
        <source>clip_skip cannot be {0}; this text encoder has {1} layers to skip.</source>
        <translation>لا يمكن تخطي {0} من الطبقات؛ في مرمّز النص هذا {1} منها.</translation>
    </message>
    <message>
        <source>The schedule starts at timestep {0}, beyond the last trained one, {1}; take fewer steps, or a steps_offset less than {2}.</source>
        <translation>يبدأ الجدول عند الخطوة الزمنية {0}، بعد آخر خطوة دُرّب عليها النموذج، {1}؛ خذ خطوات أقل، أو steps_offset أقل من {2}.</translation>
    </message>
    <message>
        <source>{0} leading timesteps do not fit below {1}; take fewer steps or another timestep_spacing.</source>
        <translation>لا تتسع {0} من الخطوات الزمنية تحت {1}؛ خذ خطوات أقل، أو timestep_spacing آخر.</translation>
    </message>
    <message>
        <source>num_inference_steps cannot be {0}; a model of {1} trained timesteps takes from 1 to as many steps.</source>
        <translation>لا يمكن أن يكون عدد الخطوات {0}؛ النموذج المدرّب على {1} من الخطوات الزمنية يأخذ من 1 إلى هذا العدد.</translation>
    </message>
    <message>
        <source>num_inference_steps cannot be {0}: there are {1} distilled timesteps; take fewer steps, or raise original_inference_steps or strength.</source>
        <translation>لا يمكن أن يكون عدد الخطوات {0}: توجد {1} من الخطوات الزمنية المقطّرة؛ خذ خطوات أقل، أو ارفع القوة.</translation>
    </message>
    <message>
        <source>`num_inference_steps` must be &gt;= {0} for the Runge-Kutta steps, not {1}; take more steps or set skip_prk_steps=True.</source>
        <translation>يجب ألا يقل عدد الخطوات عن {0} من أجل خطوات رونغه-كوتا، وهو {1}؛ خذ خطوات أكثر.</translation>
    </message>
    <message>
        <source>strength={0} leaves none of {1} timesteps; raise either.</source>
        <translation>القوة {0} لا تُبقي شيئًا من {1} من الخطوات الزمنية؛ ارفع أحدهما.</translation>
    </message>
    <message>
        <source>Beta sigmas need scipy: install it with `pip install scipy`.</source>
        <translation>تحتاج قيم سيغما من نوع بيتا إلى scipy: ثبّتها بالأمر `pip install scipy`.</translation>
    </message>
    <message>
        <source>Brownian noise needs torchsde: install it with `pip install torchsde`.</source>
        <translation>تحتاج الضوضاء البراونية إلى torchsde: ثبّتها بالأمر `pip install torchsde`.</translation>
    </message>
    <message>
        <source>The model in {0} has no tokenizer of CLIP&apos;s kind; its prompts cannot be counted.</source>
        <translation>ليس للنموذج في {0} مُجزّئ من نوع CLIP؛ فلا يمكن عدّ رموز أوصافه.</translation>
    </message>
    <message>
        <source>The weight {0} in the prompt {1} is no number; write it like 1.2.</source>
        <translation>الوزن {0} في الوصف {1} ليس عددًا؛ اكتبه مثل 1.2.</translation>
    </message>
    <message>
        <source>The weight {0} in the prompt is too large; write one like 1.2.</source>
        <translation>الوزن {0} في الوصف أكبر من اللازم؛ اكتب وزنًا مثل 1.2.</translation>
    </message>
    <message>
        <source>The steps overflowed at guidance {0} in {1}; take a lower guidance, float32 or another scheduler.</source>
        <translation>تجاوزت الخطوات حدّ الأعداد عند التوجيه {0} بدقة {1}؛ اختر توجيهًا أقل أو float32 أو مُجدوِلًا آخر.</translation>
    </message>
    <message>
        <source>The weights of .{0}() in the prompt {1} are {2}; write numbers, like (1, 0.8).</source>
        <translation>أوزان .{0}() في الوصف {1} هي {2}؛ اكتب أعدادًا، مثل (1, 0.8).</translation>
    </message>
    <message>
        <source>The prompt {0} has {1} parts but .{2}() has {3} weights; give each part one, or none at all.</source>
        <translation>في الوصف {0} من الأجزاء {1}، ولـ.{2}() من الأوزان {3}؛ أعطِ كل جزء وزنًا، أو لا تعطِ شيئًا.</translation>
    </message>
    <message>
        <source>The weights of .blend() in the prompt {0} add up to 0, so they cannot be normalised; change one, or add no_normalize.</source>
        <translation>مجموع أوزان .blend() في الوصف {0} صفر، فلا يمكن تسويتها؛ غيّر واحدًا منها، أو أضف no_normalize.</translation>
    </message>
    <message>
        <source>The brackets of the prompt {0} nest too deep; {1} is enough.</source>
        <translation>أقواس الوصف {0} متداخلة أكثر مما ينبغي؛ يكفي {1}.</translation>
    </message>
    <message>
        <source>The prompt {0} uses .swap(), which is not known here; use [from:to:0.5] of A1111.</source>
        <translation>يستعمل الوصف {0} الصيغة .swap()، وهي غير معروفة هنا؛ استعمل [from:to:0.5] من A1111.</translation>
    </message>
    <message>
        <source>{0} in the prompt has the strength {1}; write a number.</source>
        <translation>قوة {0} في الوصف هي {1}؛ اكتب عددًا.</translation>
    </message>
    <message>
        <source>{0} in the prompt names no adapter; write it like &lt;lora:name:0.8&gt;.</source>
        <translation>لا يسمّي {0} في الوصف محوّلًا؛ اكتبه مثل &lt;lora:name:0.8&gt;.</translation>
    </message>
    <message>
        <source>{0} in the prompt has the strength {1}, which is no number; write it like &lt;lora:name:0.8&gt;.</source>
        <translation>قوة {0} في الوصف هي {1}، وليست عددًا؛ اكتبه مثل &lt;lora:name:0.8&gt;.</translation>
    </message>
    <message>
        <source>The embedding {0} has {1} vectors; it needs a name, and at most {2}.</source>
        <translation>للتضمين {0} من المتجهات {1}؛ يحتاج إلى اسم، وإلى {2} على الأكثر.</translation>
    </message>
    <message>
        <source>The embedding {0} has vectors of the shape {1}, but this model&apos;s are {2} wide; it was made for another kind of model.</source>
        <translation>متجهات التضمين {0} شكلها {1}، وعرض متجهات هذا النموذج {2}؛ فقد صُنع لنوع آخر من النماذج.</translation>
    </message>
    <message>
        <source>{0} has no CLIP text encoder, which prompt syntax needs; choose the plain syntax.</source>
        <translation>ليس في {0} مرمّز نص CLIP الذي تحتاج إليه صيغة الأوصاف؛ اختر الصيغة plain.</translation>
    </message>
    <message>
        <source>The choices of the prompt cannot be read {0}; check them.</source>
        <translation>لا يمكن قراءة خيارات الوصف {0}؛ راجعها.</translation>
    </message>
    <message>
        <source>The choices of the prompt cannot be made ({0}); check its braces.</source>
        <translation>لا يمكن الاختيار من الوصف ({0})؛ راجع أقواسه المعقوفة.</translation>
    </message>
    <message>
        <source>The choices of the prompt cannot be made (nothing is left to choose); check its braces.</source>
        <translation>لا يمكن الاختيار من الوصف (لم يبق ما يُختار)؛ راجع أقواسه المعقوفة.</translation>
    </message>
    <message>
        <source>The wildcard __{0}__ {1} is unknown; {2}.</source>
        <translation>البديل __{0}__ {1} غير معروف؛ {2}.</translation>
    </message>
    <message>
        <source>The {0} {1}{2} has {3}; add it, or write \{4} for a plain brace.</source>
        <translation>{0} {1}{2}: {3}؛ أضف ما ينقص، أو اكتب \{4} للقوس نفسه.</translation>
    </message>
    <message>
        <source>at line {0}, column {1} (&quot;{2}&quot;)</source>
        <translation>في السطر {0}، العمود {1} (&quot;{2}&quot;)</translation>
    </message>
    <message>
        <source>A wildcard or variable of the prompt {0}</source>
        <translation>بديل أو متغير في الوصف {0}</translation>
    </message>
    <message>
        <source>in another wildcard</source>
        <translation>في بديل آخر</translation>
    </message>
    <message>
        <source>set a folder of wildcards</source>
        <translation>عيّن مجلدًا للبدائل</translation>
    </message>
    <message>
        <source>the folder {0} does not exist</source>
        <translation>المجلد {0} غير موجود</translation>
    </message>
    <message>
        <source>put {0}.txt into {1}, or correct the name</source>
        <translation>ضع {0}.txt في {1}، أو صحّح الاسم</translation>
    </message>
    <message>
        <source>did you mean {0}?</source>
        <translation>هل تقصد {0}؟</translation>
    </message>
    <message>
        <source>put the file there, or take the name out of the prompt.</source>
        <translation>ضع الملف هناك، أو احذف الاسم من الوصف.</translation>
    </message>
    <message>
        <source>any folder, for none is set</source>
        <translation>أي مجلد، إذ لم يُعيَّن شيء</translation>
    </message>
    <message>
        <source>The pictures folder {0} does not exist; create it, or choose another one in the settings.</source>
        <translation>مجلد الصور {0} غير موجود؛ أنشئه، أو اختر غيره في الإعدادات.</translation>
    </message>
    <message>
        <source>The pictures folder {0} cannot be written to; choose another one in the settings.</source>
        <translation>لا يمكن الكتابة في مجلد الصور {0}؛ اختر غيره في الإعدادات.</translation>
    </message>
    <message>
        <source>The model folder {0} does not exist; choose another model.</source>
        <translation>مجلد النموذج {0} غير موجود؛ اختر نموذجًا آخر.</translation>
    </message>
    <message>
        <source>queue</source>
        <translation>قائمة الانتظار</translation>
    </message>
    <message>
        <source>gallery</source>
        <translation>المعرض</translation>
    </message>
    <message>
        <source>model library</source>
        <translation>مكتبة النماذج</translation>
    </message>
    <message>
        <source>prompt</source>
        <translation>الوصف</translation>
    </message>
    <message>
        <source>negative prompt</source>
        <translation>الوصف السلبي</translation>
    </message>
    <message>
        <source>number of steps</source>
        <translation>عدد الخطوات</translation>
    </message>
    <message>
        <source>steps</source>
        <translation>الخطوات</translation>
    </message>
    <message>
        <source>guidance</source>
        <translation>التوجيه</translation>
    </message>
    <message>
        <source>guidance rescale</source>
        <translation>إعادة ضبط التوجيه</translation>
    </message>
    <message>
        <source>number of pictures</source>
        <translation>عدد الصور</translation>
    </message>
    <message>
        <source>length of the prompt</source>
        <translation>طول الوصف</translation>
    </message>
    <message>
        <source>strength</source>
        <translation>القوة</translation>
    </message>
    <message>
        <source>number of skipped text encoder layers</source>
        <translation>عدد الطبقات المتخطاة من مرمّز النص</translation>
    </message>
    <message>
        <source>scale of the second pass</source>
        <translation>مقياس المرور الثاني</translation>
    </message>
    <message>
        <source>number of steps of the second pass</source>
        <translation>عدد خطوات المرور الثاني</translation>
    </message>
    <message>
        <source>strength of the second pass</source>
        <translation>قوة المرور الثاني</translation>
    </message>
    <message>
        <source>seed</source>
        <translation>البذرة</translation>
    </message>
    <message>
        <source>width</source>
        <translation>العرض</translation>
    </message>
    <message>
        <source>height</source>
        <translation>الارتفاع</translation>
    </message>
    <message>
        <source>scheduler</source>
        <translation>المُجدول</translation>
    </message>
    <message>
        <source>model</source>
        <translation>النموذج</translation>
    </message>
    <message>
        <source>download the model as safetensors from somebody you trust</source>
        <translation>نزّل النموذج بصيغة safetensors من جهة تثق بها</translation>
    </message>
    <message>
        <source>check that config.json and the weights belong to the same model</source>
        <translation>تأكد من أن config.json والأوزان للنموذج نفسه</translation>
    </message>
    <message>
        <source>refers to itself, directly or through others; take the reference out of the file.</source>
        <translation>يشير إلى نفسه مباشرة أو عبر غيره؛ احذف الإشارة من الملف.</translation>
    </message>
    <message>
        <source>closing brace</source>
        <translation>قوس الإغلاق</translation>
    </message>
    <message>
        <source>opening brace</source>
        <translation>قوس الفتح</translation>
    </message>
    <message>
        <source>no opening one</source>
        <translation>ليس له قوس فتح</translation>
    </message>
    <message>
        <source>no closing one</source>
        <translation>ليس له قوس إغلاق</translation>
    </message>
    <message>
        <source>an IP-Adapter</source>
        <translation>محوّل IP-Adapter</translation>
    </message>
    <message>
        <source>a T2I-Adapter</source>
        <translation>محوّل T2I-Adapter</translation>
    </message>
    <message>
        <source>a motion module of AnimateDiff</source>
        <translation>وحدة حركة من AnimateDiff</translation>
    </message>
    <message>
        <source>a picture upscaler (ESRGAN or the like)</source>
        <translation>مكبّر صور (ESRGAN أو ما يشبهه)</translation>
    </message>
    <message>
        <source>an image encoder</source>
        <translation>مرمّز صور</translation>
    </message>
    <message>
        <source>a T5 text encoder</source>
        <translation>مرمّز نص T5</translation>
    </message>
    <message>
        <source>a tiny autoencoder (TAESD)</source>
        <translation>مرمّز ذاتي صغير (TAESD)</translation>
    </message>
    <message>
        <source>a hypernetwork</source>
        <translation>شبكة فائقة (hypernetwork)</translation>
    </message>
    <message>
        <source>an InstantID adapter</source>
        <translation>محوّل InstantID</translation>
    </message>
    <message>
        <source>There was not enough memory: trying again without the text encoder.</source>
        <translation>لم تكفِ الذاكرة: تُعاد المحاولة من دون مرمِّز النص.</translation>
    </message>
    <message>
        <source>There was not enough memory: trying again with the picture decoded in tiles.</source>
        <translation>لم تكفِ الذاكرة: تُعاد المحاولة مع فك ترميز الصورة على هيئة مربعات.</translation>
    </message>
    <message>
        <source>There was not enough memory: trying again with tiles, and one part of the model at a time.</source>
        <translation>لم تكفِ الذاكرة: تُعاد المحاولة على هيئة مربعات، وبجزء واحد من النموذج في كل مرة.</translation>
    </message>
    <message>
        <source>There was not enough memory: trying again with the blocks of the model coming to the device one by one.</source>
        <translation>لم تكفِ الذاكرة: تُعاد المحاولة مع نقل كتل النموذج إلى الجهاز واحدة بعد الأخرى.</translation>
    </message>
    <message>
        <source>There was not enough memory: trying again with one part of the model at a time, in small pieces.</source>
        <translation>لم تكفِ الذاكرة: تُعاد المحاولة بجزء واحد من النموذج في كل مرة، على قطع صغيرة.</translation>
    </message>
    <message>
        <source>Fine previews need a tiny autoencoder for this kind of model (such as TAESD, a folder with its config.json) beside the model or in a folder of models; there is none, so the quick ones are shown.</source>
        <translation>تحتاج المعاينات الدقيقة إلى مرمِّز تلقائي صغير لهذا النوع من النماذج (مثل TAESD، وهو مجلد فيه config.json) بجانب النموذج أو في مجلد نماذج؛ لا يوجد شيء منها، لذا تُعرض المعاينات السريعة.</translation>
    </message>
    <message>
        <source>The precision {0} is unknown; choose auto or one of {1}.</source>
        <translation>الدقة {0} غير معروفة؛ اختر auto أو واحدة من {1}.</translation>
    </message>
    <message>
        <source>{0} is missing; check the folder, or download the model again.</source>
        <translation>{0} مفقود؛ تحقق من المجلد، أو نزّل النموذج من جديد.</translation>
    </message>
    <message>
        <source>{0} is missing; check the path.</source>
        <translation>{0} مفقود؛ تحقق من المسار.</translation>
    </message>
    <message>
        <source>The tokenizer gives the token {0}, but the text encoder knows {1} tokens only; take both from the same model.</source>
        <translation>يعطي المُجزّئ الرمز {0}، لكن مرمّز النص لا يعرف إلا {1} رمزًا؛ خذ كليهما من النموذج نفسه.</translation>
    </message>
    <message>
        <source>{0} is not a text file; download it again.</source>
        <translation>{0} ليس ملفًا نصيًا؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} cannot be read ({1}); check that it is a file you may read.</source>
        <translation>لا يمكن قراءة {0} ({1})؛ تأكد من أنه ملف يحق لك قراءته.</translation>
    </message>
    <message>
        <source>{0} is not valid JSON (line {1}: {2}); download it again.</source>
        <translation>{0} ليس JSON سليمًا (السطر {1}: {2})؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} holds a JSON {1}, not an object; download it again.</source>
        <translation>في {0} قيمة JSON من النوع {1} وليست كائنًا؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} has a wrong value: {1}</source>
        <translation>في {0} قيمة خاطئة: {1}</translation>
    </message>
    <message>
        <source>{0} is not a file of weights; its name must end in {1}.</source>
        <translation>{0} ليس ملف أوزان؛ يجب أن ينتهي اسمه بـ{1}.</translation>
    </message>
    <message>
        <source>{0} is not a safetensors file, or is cut short; download it again.</source>
        <translation>{0} ليس ملف safetensors، أو أنه مبتور؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} is not a safetensors file: its header cannot be read; download it again.</source>
        <translation>{0} ليس ملف safetensors: لا يمكن قراءة ترويسته؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0}: {1} has the shape {2} at {3} to {4}; download it again.</source>
        <translation>{0}: شكل {1} هو {2} من {3} إلى {4}؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0}: {1} has the dtype {2}, which is not known here; use a float16 file.</source>
        <translation>{0}: نوع أعداد {1} هو {2}، وهو غير معروف هنا؛ استعمل ملفًا بدقة float16.</translation>
    </message>
    <message>
        <source>{0}: {1} takes {2} bytes, which do not fit its shape {3}.</source>
        <translation>{0}: يشغل {1} من البايتات {2}، ولا يوافق ذلك شكله {3}.</translation>
    </message>
    <message>
        <source>{0} is damaged: its tensors overlap, or leave gaps; download it again.</source>
        <translation>{0} تالف: تتداخل موتّراته أو بينها فجوات؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} is damaged: {1} bytes follow its last tensor; download it again.</source>
        <translation>{0} تالف: بعد آخر موتّر فيه {1} من البايتات؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} is cut short: {1} of {2} bytes; download it again.</source>
        <translation>{0} مبتور: {1} من {2} من البايتات؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} is cut short at {1}; download it again.</source>
        <translation>{0} مبتور عند {1}؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} is cut short, or not a GGUF file; download it again.</source>
        <translation>{0} مبتور، أو ليس ملف GGUF؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} is not a GGUF file; download it again.</source>
        <translation>{0} ليس ملف GGUF؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} is a GGUF file of version {1}; only versions 2 and 3 are known: convert it anew.</source>
        <translation>{0} ملف GGUF من الإصدار {1}؛ لا يُعرف إلا الإصداران 2 و3: حوّله من جديد.</translation>
    </message>
    <message>
        <source>{0} is damaged: a count of {1} in its header; download it again.</source>
        <translation>{0} تالف: في ترويسته عدد قدره {1}؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} is damaged: a value of the kind {1} in its header; download it again.</source>
        <translation>{0} تالف: في ترويسته قيمة من النوع {1}؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} is damaged: an array of the kind {1}; download it again.</source>
        <translation>{0} تالف: فيه مصفوفة من النوع {1}؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} is damaged: an alignment of {1}; download it again.</source>
        <translation>{0} تالف: محاذاته {1}؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} is damaged: {1} has {2} dimensions; download it again.</source>
        <translation>{0} تالف: لـ{1} من الأبعاد {2}؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0}: {1} is quantised in the way {2}, which is not known here; use Q8_0 or Q4_K.</source>
        <translation>{0}: كُمّي {1} بالطريقة {2}، وهي غير معروفة هنا؛ استعمل Q8_0 أو Q4_K.</translation>
    </message>
    <message>
        <source>{0}: {1} of the shape {2} cannot be {3}; download it again.</source>
        <translation>{0}: لا يمكن أن يكون {1} ذو الشكل {2} من النوع {3}؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0}: {1} is scaled by {2} numbers, which is known for one or for one a row ({3}); use a float16 file.</source>
        <translation>{0}: مقياس {1} من {2} من الأعداد، ولا يُعرف إلا واحد أو واحد لكل صف ({3})؛ استعمل ملفًا بدقة float16.</translation>
    </message>
    <message>
        <source>{0} cannot be mapped into memory ({1}); copy it to another disk.</source>
        <translation>لا يمكن إسناد {0} إلى الذاكرة ({1})؛ انسخه إلى قرص آخر.</translation>
    </message>
    <message>
        <source>{0} is refused, because {1}; {2}.</source>
        <translation>رُفض {0} لأن {1}؛ {2}.</translation>
    </message>
    <message>
        <source>{0} is refused, because it holds a TorchScript program; {1}.</source>
        <translation>رُفض {0} لأن فيه برنامج TorchScript؛ {1}.</translation>
    </message>
    <message>
        <source>{0} is refused, because its list of tensors is larger than {1} bytes.</source>
        <translation>رُفض {0} لأن قائمة موتّراته أكبر من {1} من البايتات.</translation>
    </message>
    <message>
        <source>{0} is refused, because its archive lists {1} parts in {2} bytes.</source>
        <translation>رُفض {0} لأن أرشيفه يذكر {1} من الأجزاء في {2} من البايتات.</translation>
    </message>
    <message>
        <source>{0} is refused, because its archive has a part called {1}.</source>
        <translation>رُفض {0} لأن في أرشيفه جزءًا اسمه {1}.</translation>
    </message>
    <message>
        <source>{0} is refused, because {1} in it is packed; {2}.</source>
        <translation>رُفض {0} لأن {1} فيه مضغوط؛ {2}.</translation>
    </message>
    <message>
        <source>{0} is refused, because {1} in it is encrypted; {2}.</source>
        <translation>رُفض {0} لأن {1} فيه مشفّر؛ {2}.</translation>
    </message>
    <message>
        <source>{0} is not a file of weights that torch wrote, or is damaged; {1}.</source>
        <translation>{0} ليس ملف أوزان كتبه torch، أو أنه تالف؛ {1}.</translation>
    </message>
    <message>
        <source>{0} is an archive, but not one of weights that torch wrote; {1}.</source>
        <translation>{0} أرشيف، لكنه ليس أرشيف أوزان كتبه torch؛ {1}.</translation>
    </message>
    <message>
        <source>{0} is damaged: its list of tensors cannot be read; download the model as safetensors.</source>
        <translation>{0} تالف: لا يمكن قراءة قائمة موتّراته؛ نزّل النموذج بصيغة safetensors.</translation>
    </message>
    <message>
        <source>{0} is damaged: its archive cannot be read; download the model as safetensors.</source>
        <translation>{0} تالف: لا يمكن قراءة أرشيفه؛ نزّل النموذج بصيغة safetensors.</translation>
    </message>
    <message>
        <source>{0} is damaged: the part {1} is missing or cut short; download the model as safetensors.</source>
        <translation>{0} تالف: الجزء {1} مفقود أو مبتور؛ نزّل النموذج بصيغة safetensors.</translation>
    </message>
    <message>
        <source>{0} is damaged: its parts take {1} bytes of {2}; download the model as safetensors.</source>
        <translation>{0} تالف: تشغل أجزاؤه {1} من البايتات من {2}؛ نزّل النموذج بصيغة safetensors.</translation>
    </message>
    <message>
        <source>{0} is damaged: its list of parts does not fit; download the model as safetensors.</source>
        <translation>{0} تالف: قائمة أجزائه لا توافقه؛ نزّل النموذج بصيغة safetensors.</translation>
    </message>
    <message>
        <source>{0} is damaged: {1} cannot be read from it; download it again, as safetensors.</source>
        <translation>{0} تالف: لا يمكن قراءة {1} منه؛ نزّله من جديد بصيغة safetensors.</translation>
    </message>
    <message>
        <source>{0} is cut short: the end of its archive is missing; download the model as safetensors.</source>
        <translation>{0} مبتور: نهاية أرشيفه مفقودة؛ نزّل النموذج بصيغة safetensors.</translation>
    </message>
    <message>
        <source>{0} does not hold weights by name; download the model as safetensors.</source>
        <translation>ليس في {0} أوزان بأسمائها؛ نزّل النموذج بصيغة safetensors.</translation>
    </message>
    <message>
        <source>{0} could not be read within the limits of memory and time; download it again.</source>
        <translation>تعذرت قراءة {0} ضمن حدود الذاكرة والوقت؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} cannot be read ({1}); download the model as safetensors.</source>
        <translation>لا يمكن قراءة {0} ({1})؛ نزّل النموذج بصيغة safetensors.</translation>
    </message>
    <message>
        <source>The folder {0} is missing; check the path, or download the model again.</source>
        <translation>المجلد {0} مفقود؛ تحقق من المسار، أو نزّل النموذج من جديد.</translation>
    </message>
    <message>
        <source>{0} is missing ({1}); choose another variant.</source>
        <translation>{0} مفقود ({1})؛ اختر نسخة أخرى.</translation>
    </message>
    <message>
        <source>{0} is missing ({1}); download the model as safetensors, or name the variant.</source>
        <translation>{0} مفقود ({1})؛ نزّل النموذج بصيغة safetensors، أو سمِّ النسخة.</translation>
    </message>
    <message>
        <source>{0} has no weight_map; download it again.</source>
        <translation>ليس في {0} قسم weight_map؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0}, which {1} names, is missing; download the model again.</source>
        <translation>{0} الذي يذكره {1} مفقود؛ نزّل النموذج من جديد.</translation>
    </message>
    <message>
        <source>{0} lacks {1}{2}, which {3} needs; {4}.</source>
        <translation>ينقص {0} الموتّر {1}{2}، ويحتاج إليه {3}؛ {4}.</translation>
    </message>
    <message>
        <source>{0} holds {1}{2}, which {3} does not have; {4}.</source>
        <translation>في {0} الموتّر {1}{2}، وليس في {3} مثله؛ {4}.</translation>
    </message>
    <message>
        <source>{0}: {1} has the shape {2}, but the configuration asks for {3}; {4}.</source>
        <translation>{0}: شكل {1} هو {2}، والإعدادات تطلب {3}؛ {4}.</translation>
    </message>
    <message>
        <source>{0} describes a {1}, not a {2}; load it as {3}.</source>
        <translation>يصف {0} جزءًا من النوع {1} لا {2}؛ حمّله بوصفه {3}.</translation>
    </message>
    <message>
        <source>{0}: there is no pipeline {1} here; this version has {2}.</source>
        <translation>{0}: لا يوجد هنا خط المعالجة {1}؛ في هذا الإصدار {2}.</translation>
    </message>
    <message>
        <source>The folder {0}, which {1} names, is missing; download the model again.</source>
        <translation>المجلد {0} الذي يذكره {1} مفقود؛ نزّل النموذج من جديد.</translation>
    </message>
    <message>
        <source>{0} cannot be loaded as {1} ({2}); download the model again.</source>
        <translation>لا يمكن تحميل {0} بوصفه {1} ({2})؛ نزّل النموذج من جديد.</translation>
    </message>
    <message>
        <source>{0} holds no files of the variant {1}; leave the variant out.</source>
        <translation>ليس في {0} ملفات من النسخة {1}؛ لا تذكر نسخة.</translation>
    </message>
    <message>
        <source>{0} is not a readable tokenizer file ({1}); download it again.</source>
        <translation>لا يمكن قراءة ملف المُجزّئ {0} ({1})؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0}: model_max_length is {1}, and must be a number; download it again.</source>
        <translation>{0}: قيمة model_max_length هي {1} ويجب أن تكون عددًا؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0}: added_tokens_decoder is {1}, and must be an object; download it again.</source>
        <translation>{0}: قيمة added_tokens_decoder هي {1} ويجب أن تكون كائنًا؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0}: added_tokens_decoder has {1}: {2}, and must have an object for each number.</source>
        <translation>{0}: في added_tokens_decoder القيمة {1}: {2}، ويجب أن يكون فيه كائن لكل عدد.</translation>
    </message>
    <message>
        <source>{0} has no token {1} in its vocabulary; download it again.</source>
        <translation>ليس في مفردات {0} الرمز {1}؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} is no JSON that can be read (it nests too deep); download it again.</source>
        <translation>لا يمكن قراءة {0} بصيغة JSON (تداخله أعمق من اللازم)؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} is configured with {1} {2}; it must be {3}.</source>
        <translation>في إعدادات {0} قيمة {1} هي {2}؛ ويجب أن تكون {3}.</translation>
    </message>
    <message>
        <source>{0} describes no {1} that can be ({2}); download it again.</source>
        <translation>يصف {0} كائن {1} لا يمكن وجوده ({2})؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} is missing: a CLIP tokenizer needs vocab.json and merges.txt, or tokenizer.json; download the model again.</source>
        <translation>{0} مفقود: يحتاج مُجزّئ CLIP إلى vocab.json وmerges.txt، أو إلى tokenizer.json؛ نزّل النموذج من جديد.</translation>
    </message>
    <message>
        <source>{0} cannot be loaded as a model. {1}</source>
        <translation>لا يمكن تحميل {0} بوصفه نموذجًا. {1}</translation>
    </message>
    <message>
        <source>{0} cannot be loaded. {1}</source>
        <translation>لا يمكن تحميل {0}. {1}</translation>
    </message>
    <message>
        <source>{0} cannot be run as a model. {1}</source>
        <translation>لا يمكن تشغيل {0} بوصفه نموذجًا. {1}</translation>
    </message>
    <message>
        <source>{0} lacks tensors of its {1} ({2}); download it again.</source>
        <translation>تنقص {0} موتّرات من الجزء {1} ({2})؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} holds no {1}, which {2} needs; pass {3}=...</source>
        <translation>ليس في {0} الجزء {1} الذي يحتاج إليه {2}؛ مرّر {3}=...</translation>
    </message>
    <message>
        <source>{0} holds no {1}; choose another file.</source>
        <translation>ليس في {0} الجزء {1}؛ اختر ملفًا آخر.</translation>
    </message>
    <message>
        <source>The folder {0} holds no model: neither {1} nor weights; check the path.</source>
        <translation>ليس في المجلد {0} نموذج: لا {1} ولا أوزان؛ تحقق من المسار.</translation>
    </message>
    <message>
        <source>{0} holds {1}{2}, which no U-Net of a known family has.</source>
        <translation>في {0} الموتّر {1}{2}، وليس في أي U-Net من عائلة معروفة مثله.</translation>
    </message>
    <message>
        <source>{0} cannot count: {1}</source>
        <translation>لا يُعتدّ بـ{0}: {1}</translation>
    </message>
    <message>
        <source>{0} cannot be written ({1}); copy the model into a folder of your own.</source>
        <translation>لا يمكن كتابة {0} ({1})؛ انسخ النموذج إلى مجلد من مجلداتك.</translation>
    </message>
    <message>
        <source>The family {0} is unknown; choose one of {1}.</source>
        <translation>العائلة {0} غير معروفة؛ اختر واحدة من {1}.</translation>
    </message>
    <message>
        <source>The family {0} has no variant {1}; it has {2}.</source>
        <translation>ليس للعائلة {0} الصنف {1}؛ لها {2}.</translation>
    </message>
    <message>
        <source>The variant {0} is unknown; choose one of {1}.</source>
        <translation>الصنف {0} غير معروف؛ اختر واحدًا من {1}.</translation>
    </message>
    <message>
        <source>The prediction {0} is unknown; choose one of {1}.</source>
        <translation>نوع التنبؤ {0} غير معروف؛ اختر واحدًا من {1}.</translation>
    </message>
    <message>
        <source>{0} is no adapter: none of its keys is of a known form; choose a LoRA file.</source>
        <translation>{0} ليس محوّلًا: لا مفتاح فيه من شكل معروف؛ اختر ملف LoRA.</translation>
    </message>
    <message>
        <source>{0}: the settings of the adapter are no JSON ({1}); download it again.</source>
        <translation>{0}: إعدادات المحوّل ليست JSON ({1})؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0}: the settings of the adapter are no JSON object; download it again.</source>
        <translation>{0}: إعدادات المحوّل ليست كائن JSON؛ نزّله من جديد.</translation>
    </message>
    <message>
        <source>{0} is no embedding: it holds {1}; choose a file of textual inversion.</source>
        <translation>{0} ليس تضمينًا: فيه {1}؛ اختر ملف انقلاب نصي.</translation>
    </message>
    <message>
        <source>{0} has {1} vectors for its text encoders; it is damaged.</source>
        <translation>في {0} من المتجهات {1} لمرمّزات النص؛ إنه تالف.</translation>
    </message>
    <message>
        <source>{0}: {1} has the shape {2}; an embedding is a few vectors.</source>
        <translation>{0}: شكل {1} هو {2}؛ والتضمين بضعة متجهات.</translation>
    </message>
    <message>
        <source>{0} does not hold a weight and a bias that fit together; delete it.</source>
        <translation>ليس في {0} وزن وانحياز متوافقان؛ احذفه.</translation>
    </message>
    <message>
        <source>{0} is for {1} latent channels, the model has {2}; delete it.</source>
        <translation>{0} لـ{1} من القنوات الكامنة، وللنموذج {2}؛ احذفه.</translation>
    </message>
    <message>
        <source>{0} The user&apos;s word for its type stands over that.</source>
        <translation>{0} وما قاله المستخدم عن نوعه مقدَّم على ذلك.</translation>
    </message>
    <message>
        <source>Its tensors change those of another model ({0}).</source>
        <translation>موتّراته تغيّر موتّرات نموذج آخر ({0}).</translation>
    </message>
    <message>
        <source>of which family, nothing tells</source>
        <translation>لا شيء يدل على عائلته</translation>
    </message>
    <message>
        <source>{0}, says its header</source>
        <translation>{0}، كما تقول ترويسته</translation>
    </message>
    <message>
        <source>its names contain {0}</source>
        <translation>في أسمائه {0}</translation>
    </message>
    <message>
        <source>it meets prompts of {0} numbers</source>
        <translation>يلتقي بأوصاف من {0} من الأعداد</translation>
    </message>
    <message>
        <source>Its U-Net ({0}) is that of no model known here; name its type to load it all the same.</source>
        <translation>شبكة U-Net فيه ({0}) ليست لأي نموذج معروف هنا؛ حدّد نوعه لتحميله رغم ذلك.</translation>
    </message>
    <message>
        <source>an input of {0} channels, latents of {1}, prompts of {2} numbers</source>
        <translation>قنوات الإدخال {0}، وقنوات الكوامن {1}، وأعداد الوصف {2}</translation>
    </message>
    <message>
        <source>{0} input channels, prompts of {1} numbers</source>
        <translation>{0} من قنوات الإدخال، وأوصاف من {1} من الأعداد</translation>
    </message>
    <message>
        <source>{0}, {1} numbers beside them</source>
        <translation>{0}، ومعها {1} من الأعداد</translation>
    </message>
    <message>
        <source>{0}; whether it predicts noise or velocity, nothing in the file tells</source>
        <translation>{0}؛ ولا شيء في الملف يدل على ما يتنبأ به: الضوضاء أم السرعة</translation>
    </message>
    <message>
        <source>Its U-Net has {0}, but it was trained with the noise levels of EDM, which is not supported yet.</source>
        <translation>لشبكة U-Net فيه {0}، لكنه دُرّب بمستويات ضوضاء EDM، وهي غير مدعومة بعد.</translation>
    </message>
    <message>
        <source>Its U-Net has {0}: {1}.</source>
        <translation>لشبكة U-Net فيه {0}: {1}.</translation>
    </message>
    <message>
        <source>It is a text encoder of width {0}{1}.</source>
        <translation>إنه مرمّز نص عرضه {0}{1}.</translation>
    </message>
    <message>
        <source>It is a model of {0}, which is known but not supported yet.</source>
        <translation>إنه نموذج من {0}، وهو معروف لكنه غير مدعوم بعد.</translation>
    </message>
    <message>
        <source>It is {0}, which is known but not supported yet.</source>
        <translation>إنه {0}، وهو معروف لكنه غير مدعوم بعد.</translation>
    </message>
    <message>
        <source>Its {0} names a {1}, which is not supported yet.</source>
        <translation>يسمّي {0} فيه {1}، وهو غير مدعوم بعد.</translation>
    </message>
    <message>
        <source>Its {0} names a {1}.</source>
        <translation>يسمّي {0} فيه {1}.</translation>
    </message>
    <message>
        <source>It is a VAE of {0} latent channels, which no supported family has.</source>
        <translation>إنه مرمّز له {0} من القنوات الكامنة، وليس لأي عائلة مدعومة مثله.</translation>
    </message>
    <message>
        <source>It is a VAE of 4 latent channels; those of Stable Diffusion 1, 2 and XL have the same shapes.</source>
        <translation>إنه مرمّز له 4 قنوات كامنة؛ ولمرمّزات Stable Diffusion 1 و2 وXL الأشكال نفسها.</translation>
    </message>
    <message>
        <source>It embeds a hint picture, as a ControlNet does.</source>
        <translation>إنه يضمّن صورة إرشاد كما تفعل ControlNet.</translation>
    </message>
    <message>
        <source>It holds only vectors of {0} numbers, as token embeddings have.</source>
        <translation>ليس فيه إلا متجهات من {0} من الأعداد، كما في تضمينات الرموز.</translation>
    </message>
    <message>
        <source>The file holds no tensors.</source>
        <translation>ليس في الملف موتّرات.</translation>
    </message>
    <message>
        <source>Its {0} tensors, {1} the first, are those of no model that is known here.</source>
        <translation>موتّراته وعددها {0}، وأولها {1}، ليست لأي نموذج معروف هنا.</translation>
    </message>
    <message>
        <source>{0} is cut short: {1} of {2} bytes; download the model as safetensors.</source>
        <translation>{0} مبتور: {1} من {2} من البايتات؛ نزّل النموذج بصيغة safetensors.</translation>
    </message>
    <message>
        <source>{0}: {1} has {2} rows, which are not three equal parts.</source>
        <translation>{0}: صفوف {1} عددها {2}، ولا تنقسم إلى ثلاثة أجزاء متساوية.</translation>
    </message>
    <message>
        <source>{0} holds no {1}; load it from another file and pass {2}=...</source>
        <translation>ليس في {0} الجزء {1}؛ حمّله من ملف آخر ومرّر {2}=...</translation>
    </message>
    <message>
        <source>A model of the family {0} has no {1}.</source>
        <translation>ليس لنموذج من العائلة {0} الجزء {1}.</translation>
    </message>
    <message>
        <source>{0} has neither UNet nor text encoder, so no adapter fits it.</source>
        <translation>ليس في {0} شبكة UNet ولا مرمّز نص، فلا يلائمه أي محوّل.</translation>
    </message>
    <message>
        <source>{0}: a special token is {1}, and must be a text or an object with &apos;content&apos;.</source>
        <translation>{0}: أحد الرموز الخاصة هو {1}، ويجب أن يكون نصًا أو كائنًا فيه &apos;content&apos;.</translation>
    </message>
    <message>
        <source>{0} holds a {1} tokenizer, and CLIP needs BPE; use the tokenizer of this model.</source>
        <translation>في {0} مُجزّئ من النوع {1}، ويحتاج CLIP إلى BPE؛ استعمل مُجزّئ هذا النموذج.</translation>
    </message>
    <message>
        <source>The back end {0} is unknown; choose torch or {1}.</source>
        <translation>المحرك {0} غير معروف؛ اختر torch أو {1}.</translation>
    </message>
    <message>
        <source>That is no token; copy it from the settings of your account.</source>
        <translation>هذا ليس رمز دخول؛ انسخه من إعدادات حسابك.</translation>
    </message>
    <message>
        <source>The token for {0} cannot be kept, because this system has no keyring ({1}); install one, such as GNOME Keyring or KWallet.</source>
        <translation>لا يمكن حفظ رمز الدخول إلى {0}، لأنه ليس في هذا النظام حافظة مفاتيح ({1})؛ ثبّت واحدة، مثل GNOME Keyring أو KWallet.</translation>
    </message>
    <message>
        <source>A link has no variants; leave {0} out.</source>
        <translation>ليس للرابط نسخ؛ احذف {0}.</translation>
    </message>
    <message>
        <source>{0} cannot be kept in {1} ({2}); check it.</source>
        <translation>لا يمكن حفظ {0} في {1} ({2})؛ تحقق منه.</translation>
    </message>
    <message>
        <source>This download is under way in another window or terminal; wait for it.</source>
        <translation>هذا التنزيل جارٍ في نافذة أخرى أو طرفية أخرى؛ انتظره.</translation>
    </message>
    <message>
        <source>The folder {0} cannot be written to ({1}); allow it, or choose another.</source>
        <translation>لا يمكن الكتابة في المجلد {0} ({1})؛ اسمح بها، أو اختر مجلدًا آخر.</translation>
    </message>
    <message>
        <source>The repository {0} has no file {1}; it has {2}.</source>
        <translation>ليس في المستودع {0} الملف {1}؛ فيه {2}.</translation>
    </message>
    <message>
        <source>The repository {0} holds no model that can be used; choose another one.</source>
        <translation>ليس في المستودع {0} نموذج يمكن استعماله؛ اختر غيره.</translation>
    </message>
    <message>
        <source>The repository {0} holds {1} models; name one as {2}:FILE, where FILE is {3}{4}.</source>
        <translation>في المستودع {0} من النماذج {1}؛ سمِّ واحدًا هكذا {2}:FILE، حيث FILE هو {3}{4}.</translation>
    </message>
    <message>
        <source>The repository {0} has no variant {1}; it has {2}.</source>
        <translation>ليس في المستودع {0} النسخة {1}؛ فيه {2}.</translation>
    </message>
    <message>
        <source>The repository&apos;s model_index.json is no JSON object; choose another revision.</source>
        <translation>الملف model_index.json في المستودع ليس كائن JSON؛ اختر مراجعة أخرى.</translation>
    </message>
    <message>
        <source>{0} has no such revision; check its name at {1}.</source>
        <translation>ليس في {0} مراجعة كهذه؛ تحقق من اسمها في {1}.</translation>
    </message>
    <message>
        <source>{0} is no longer there; look at {1}.</source>
        <translation>لم يعد {0} موجودًا؛ انظر {1}.</translation>
    </message>
    <message>
        <source>{0} is no name that the hub allows; write it as owner/name.</source>
        <translation>{0} اسم لا يقبله المستودع العام؛ اكتبه هكذا owner/name.</translation>
    </message>
    <message>
        <source>{0} answers in a way that cannot be understood ({1}); check its address.</source>
        <translation>يجيب {0} بما لا يُفهم ({1})؛ تحقق من عنوانه.</translation>
    </message>
    <message>
        <source>{0} does not exist at {1}; check its name.</source>
        <translation>لا يوجد {0} في {1}؛ تحقق من اسمه.</translation>
    </message>
    <message>
        <source>{0} answers {1} for {2}; look at {3}.</source>
        <translation>يجيب {0} بـ{1} عن {2}؛ انظر {3}.</translation>
    </message>
    <message>
        <source>{0} leads to the file {1}, which is no model; copy the link of the model.</source>
        <translation>يقود {0} إلى الملف {1}، وهو ليس نموذجًا؛ انسخ رابط النموذج.</translation>
    </message>
    <message>
        <source>The server names the file {0}, which would leave the library; copy another link.</source>
        <translation>يسمّي الخادم الملف {0}، وهو يخرج من المكتبة؛ انسخ رابطًا آخر.</translation>
    </message>
    <message>
        <source>{0} is neither a repository of the hub (owner/name, or owner/name:file) nor a link (https://...).</source>
        <translation>{0} ليس مستودعًا (owner/name أو owner/name:file) ولا رابطًا (https://...).</translation>
    </message>
    <message>
        <source>The link {0} cannot be read ({1}); copy it again.</source>
        <translation>لا يمكن قراءة الرابط {0} ({1})؛ انسخه من جديد.</translation>
    </message>
    <message>
        <source>The link {0} is not safe to fetch from; use one that begins with https://.</source>
        <translation>التنزيل من الرابط {0} غير آمن؛ استعمل رابطًا يبدأ بـhttps://.</translation>
    </message>
    <message>
        <source>There is no download {0}; look at the list again.</source>
        <translation>لا يوجد التنزيل {0}؛ انظر القائمة من جديد.</translation>
    </message>
    <message>
        <source>The file {0} has {1} bytes now, not {2} as at the beginning; remove the download and begin it again.</source>
        <translation>في الملف {0} الآن {1} من البايتات، لا {2} كما في البداية؛ أزل التنزيل وابدأه من جديد.</translation>
    </message>
    <message>
        <source>The name {0} cannot be used for a file; leave out slashes, signs such as : and ?, and dots or spaces at its ends.</source>
        <translation>لا يصلح الاسم {0} لملف؛ احذف الشرطات المائلة وعلامات مثل : و?، والنقاط أو المسافات في طرفيه.</translation>
    </message>
    <message>
        <source>The name {0} cannot be used for a file; choose another, shorter one.</source>
        <translation>لا يصلح الاسم {0} لملف؛ اختر اسمًا آخر أقصر.</translation>
    </message>
    <message>
        <source>The name {0} is taken; choose another one.</source>
        <translation>الاسم {0} مستعمل؛ اختر غيره.</translation>
    </message>
    <message>
        <source>{0} has gone; scan the folders again.</source>
        <translation>اختفى {0}؛ افحص المجلدات من جديد.</translation>
    </message>
    <message>
        <source>{0} has gone already; scan the folders again.</source>
        <translation>اختفى {0} من قبل؛ افحص المجلدات من جديد.</translation>
    </message>
    <message>
        <source>{0} cannot be read ({1}); scan the folders again.</source>
        <translation>لا يمكن قراءة {0} ({1})؛ افحص المجلدات من جديد.</translation>
    </message>
    <message>
        <source>The disk of {0} has no trash; delete it with the file manager.</source>
        <translation>ليس في قرص {0} سلة محذوفات؛ احذفه بمدير الملفات.</translation>
    </message>
    <message>
        <source>The library has a {0} already; rename one of the two.</source>
        <translation>في المكتبة {0} من قبل؛ غيّر اسم أحدهما.</translation>
    </message>
    <message>
        <source>{0} needs {1} bytes, but {2} are free; free some space.</source>
        <translation>يحتاج {0} إلى {1} من البايتات، والمتاح {2}؛ أخلِ مساحة.</translation>
    </message>
    <message>
        <source>{0}: the disk is full; free some space.</source>
        <translation>{0}: القرص ممتلئ؛ أخلِ مساحة.</translation>
    </message>
    <message>
        <source>{0} ({1}); check that its folder may be written to.</source>
        <translation>{0} ({1})؛ تأكد من أن الكتابة في مجلده مسموحة.</translation>
    </message>
    <message>
        <source>The folder {0} does not exist; check the path.</source>
        <translation>المجلد {0} غير موجود؛ تحقق من المسار.</translation>
    </message>
    <message>
        <source>{0} is a file, not a folder of models; name its folder.</source>
        <translation>{0} ملف لا مجلد نماذج؛ سمِّ مجلده.</translation>
    </message>
    <message>
        <source>The folder {0} is not one of the library&apos;s; these are: {1}.</source>
        <translation>المجلد {0} ليس من مجلدات المكتبة؛ وهي: {1}.</translation>
    </message>
    <message>
        <source>The kind {0} is unknown; choose one of {1}.</source>
        <translation>النوع {0} غير معروف؛ اختر واحدًا من {1}.</translation>
    </message>
    <message>
        <source>The model is no longer in the library; scan the folders again.</source>
        <translation>لم يعد النموذج في المكتبة؛ افحص المجلدات من جديد.</translation>
    </message>
    <message>
        <source>The name {0} means {1} models; give the path of one: {2}.</source>
        <translation>الاسم {0} يعني {1} من النماذج؛ اذكر مسار واحد منها: {2}.</translation>
    </message>
    <message>
        <source>The variant and prediction of {0} cannot be said: {1}</source>
        <translation>لا يمكن تحديد صنف {0} ونوع تنبئه: {1}</translation>
    </message>
    <message>
        <source>{0} lies in the cache of the hub, which other programs use; copy it first.</source>
        <translation>يوجد {0} في مخزن المستودع العام المؤقت الذي تستعمله برامج أخرى؛ انسخه أولًا.</translation>
    </message>
    <message>
        <source>{0} does not exist; check the path.</source>
        <translation>{0} غير موجود؛ تحقق من المسار.</translation>
    </message>
    <message>
        <source>{0} is not known here, so name its kind to take it in all the same: {1}</source>
        <translation>{0} غير معروف هنا، فسمِّ نوعه لإدخاله مع ذلك: {1}</translation>
    </message>
    <message>
        <source>The disk of {0} cannot be looked at ({1}); choose another one.</source>
        <translation>لا يمكن فحص قرص {0} ({1})؛ اختر غيره.</translation>
    </message>
    <message>
        <source>The model folders could not be looked at; try again.</source>
        <translation>تعذر فحص مجلدات النماذج؛ أعد المحاولة.</translation>
    </message>
    <message>
        <source>{0} is there already; choose another name, or move it away.</source>
        <translation>{0} موجود من قبل؛ اختر اسمًا آخر، أو انقله.</translation>
    </message>
    <message>
        <source>{0} has no U-Net; only models of the Stable Diffusion kind are saved so.</source>
        <translation>ليس في {0} شبكة U-Net؛ لا تُحفظ هكذا إلا نماذج من نوع Stable Diffusion.</translation>
    </message>
    <message>
        <source>{0} has no place in the original layout, so this model stays a folder.</source>
        <translation>ليس لـ{0} مكان في التنسيق الأصلي، فيبقى هذا النموذج مجلدًا.</translation>
    </message>
</context>
<context>
    <name>library</name>
    <message>
        <source>Model</source>
        <translation>النموذج</translation>
    </message>
    <message>
        <source>LoRA</source>
        <translation>LoRA</translation>
    </message>
    <message>
        <source>Embedding</source>
        <translation>تضمين</translation>
    </message>
    <message>
        <source>Autoencoder</source>
        <translation>مرمّز ذاتي</translation>
    </message>
    <message>
        <source>ControlNet</source>
        <translation>ControlNet</translation>
    </message>
    <message>
        <source>U-Net</source>
        <translation>U-Net</translation>
    </message>
    <message>
        <source>Text encoder</source>
        <translation>مرمّز نصوص</translation>
    </message>
    <message>
        <source>Upscaler</source>
        <translation>مكبّر</translation>
    </message>
    <message>
        <source>Helper</source>
        <translation>مساعد</translation>
    </message>
    <message>
        <source>Damaged</source>
        <translation>تالف</translation>
    </message>
    <message>
        <source>Unknown kind</source>
        <translation>نوع غير معروف</translation>
    </message>
    <message>
        <source>any family</source>
        <translation>أي عائلة</translation>
    </message>
    <message>
        <source>unknown size</source>
        <translation>حجم غير معروف</translation>
    </message>
    <message>
        <source>{number} GB</source>
        <translation>{number} غيغابايت</translation>
    </message>
    <message>
        <source>{number} MB</source>
        <translation>{number} ميغابايت</translation>
    </message>
    <message>
        <source>{number} kB</source>
        <translation>{number} كيلوبايت</translation>
    </message>
    <message>
        <source>{number} bytes</source>
        <translation>{number} بايت</translation>
    </message>
</context>
<context>
    <name>remedies</name>
    <message>
        <source>Use the embedded model</source>
        <translation>استعمال النموذج المضمّن</translation>
    </message>
    <message>
        <source>Use the model&apos;s own settings</source>
        <translation>استعمال إعدادات النموذج نفسه</translation>
    </message>
    <message>
        <source>Try again</source>
        <translation>إعادة المحاولة</translation>
    </message>
    <message>
        <source>Generate without it</source>
        <translation>التوليد من دونها</translation>
    </message>
    <message>
        <source>Try at half the size</source>
        <translation>المحاولة بنصف الحجم</translation>
    </message>
    <message>
        <source>Use the processor</source>
        <translation>استعمال المعالج</translation>
    </message>
    <message>
        <source>The folder {folder} cannot be made ({reason}); choose another.</source>
        <translation>تعذر إنشاء المجلد {folder} ‏({reason})؛ اختر غيره.</translation>
    </message>
    <message>
        <source>Choose another …</source>
        <translation>اختيار غيره …</translation>
    </message>
    <message>
        <source>Make the folder</source>
        <translation>إنشاء المجلد</translation>
    </message>
    <message>
        <source>Show the report</source>
        <translation>إظهار التقرير</translation>
    </message>
</context>
<context>
    <name>side_panels</name>
    <message>
        <source>Gallery</source>
        <translation>المعرض</translation>
    </message>
    <message>
        <source>Queue</source>
        <translation>قائمة الانتظار</translation>
    </message>
    <message>
        <source>Grid</source>
        <translation>الشبكة</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>النماذج</translation>
    </message>
</context>
</TS>
